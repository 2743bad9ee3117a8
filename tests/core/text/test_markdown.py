"""What a chat model writes is read out without its marks; what only looks like a mark is read out too."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.text.markdown import markdown_lines, without_emoji


def read(text: str) -> str:
    return "\n".join(line.text for line in markdown_lines(text))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("**bold** and *em* and __bold__ and _em_", "bold and em and bold and em"),
        ("***both*** and **bold *em* bold** and *em **bold** em*", "both and bold em bold and em bold em"),
        ("**un**believable, (*really*), *“quoted”*!", "unbelievable, (really), “quoted”!"),
        ("**bold over\ntwo lines** here", "bold over\ntwo lines here"),
        ("这是**重点**内容，*对*吗", "这是重点内容，对吗"),
        ("**Note: this is half a pair.", "Note: this is half a pair."),
        ("and this is the other half.**", "and this is the other half."),
        ("~~gone~~ but ~5 stays", "gone but ~5 stays"),
        ("# Title", "Title"),
        ("### Title ###", "Title"),
        ("## C#", "C#"),
        ("Title\n=====\ntext", "Title\n\ntext"),
        ("above\n\n---\n\n* * *\n___\nbelow", "above\n\n\n\n\n\nbelow"),
        ("- one\n* two\n+ three\n• four", "one\ntwo\nthree\nfour"),
        ("- [ ] open\n- [x] done", "open\ndone"),
        ("  - nested\n    - deeper", "nested\ndeeper"),
        ("1. first\n2. **second**", "1. first\n2. second"),
        ("> quoted\n>> deeper\n> - item", "quoted\ndeeper\nitem"),
        ("Use `x*y*z` and ``a `b` c``.", "Use x*y*z and a `b` c."),
        ("```python\nx = a*b*c  # no *em*\n\nprint(x)\n```\nafter", "x = a*b*c # no *em*\n\nprint(x)\nafter"),
        ("~~~\ncode\n~~~", "code"),
        ("```\nnever closed **here**", "never closed **here**"),
        ("See [the docs](https://example.com/a_(b)?c=*d*).", "See the docs."),
        ('[a](<https://x.org> "Title") and [b]( /path )', "a and b"),
        ("[**bold** link](https://x.org) [![alt](i.png)](https://x.org)", "bold link alt"),
        ("![A *red* house](house.png)", "A red house"),
        ("[docs][1] and [docs]\n\n[1]: https://x.org\n[docs]: https://y.org 'Y'", "docs and docs\n\n\n"),
        ("Text[^1] more[^note].\n\n[^1]: First.\n[^note]: Second.", "Text more.\n\nFirst.\nSecond."),
        ("Go to https://www.example.com/path?q=1#x.", "Go to example.com."),
        ("See <https://example.com>, http://localhost:8000/x!", "See example.com, localhost!"),
        ("See www.example.org, ftp://me:pw@example.net:21/x_y_z.", "See example.org, example.net."),
        ("(see https://de.wikipedia.org/wiki/Größe_(Maß))", "(see de.wikipedia.org))"),
        ("请看https://example.com/文档，很好", "请看example.com文档，很好"),
        ("Write to <me@example.com> or a_b@c.de.", "Write to me@example.com or a_b@c.de."),
        ("| Name | Age |\n|:-----|----:|\n| Anna | 5 |\n| Bob \\| Bo | |", "Name, Age\nAnna, 5\nBob | Bo"),
        ("Name | Age\n--- | ---\nAnna | 5\n\nno | table", "Name, Age\nAnna, 5\n\nno | table"),
        ("a <!-- hidden --> b <!-- two\nlines --> c\nd", "a b\nc\nd"),
        ("a <!-- never closed", "a <!-- never closed"),
        (r"\*not em\* and 1\. and \# and \[x\](y)", r"*not em* and 1\. and # and [x](y)"),
    ],
)  # fmt: skip
def test_marks_are_left_out(written: str, spoken: str) -> None:
    assert read(written) == spoken


@pytest.mark.parametrize(
    "text",
    [
        "2*3*4 = 24 and 5 * 3 * 2 and 2**3**4",
        "see *note and 5*3",
        "2*3 and 4*",
        "snake_case, __dunder and a_b_c, _private",
        "#1 of C# and F#, #hashtag",
        "a < b > c, <b>bold</b>, x -> y, a && b || c | d",
        "f(*args, **kwargs), a[i](j), array[0][1], regex [^abc]",
        "Price 5 €* and 6 €**",
        "*all prices without tax",
        "It's 50% ~ 60%, ^ and $5, 1~2",
        "5 > 3 and -5 and +5 and 3-4 and <3",
        ">5 kg is more",
        "-5 degrees",
        "A footnote*",
        "http:// and www. and x@y and a.b.c",
        "f*** and s**t",
        "C:\\temp\\new_file.txt",
        "ACME™ ©2024 → ↔ ∞ C♯ №5",
        '{json: [1, 2]} & "quotes"',
        "`unclosed tick",
        "[brackets] and (parentheses) [pause:500ms]",
    ],
)
def test_what_only_looks_like_a_mark_is_spoken(text: str) -> None:
    assert read(text) == text


@pytest.mark.parametrize(
    "emoji",
    [
        "😀",
        "👍🏽",
        "👨‍👩‍👧‍👦",
        "🏳️‍🌈",
        "🇩🇪",
        "❤️",
        "❤",
        "1️⃣",
        "#️⃣",
        "☎️",
        "✅",
        "⭐",
        "⚡",
        "↔️",
        "ℹ️",
        "🫠",
        "🧑‍💻",
        "⏰",
        "🤷🏽‍♀️",
        "♥️",
        "🀄",
        "Ⓜ️",
    ],
)
def test_emoji_are_left_out(emoji: str) -> None:
    assert read(f"Hello {emoji} world{emoji}!") == "Hello world!"
    assert read(f"{emoji}{emoji} Great {emoji} {emoji}. So{emoji}nice") == "Great. So nice"
    assert read(f"- {emoji} item\n{emoji}\n- other {emoji}") == "item\nother"
    assert read(emoji) == ""


def test_a_table_and_a_heading_stand_for_themselves() -> None:
    lines = markdown_lines("# Title\ntext goes on\n\n| a | b |\n|---|---|\n| c | d |\ntext")
    assert [line.text for line in lines if line.starts and line.ends] == ["Title", "a, b", "c, d"]


@given(st.text(st.sampled_from("*_`[]()<>#|-!~\\ \n.:/ahtpsw1>中😀\u200d\ufe0f"), max_size=200))
def test_any_text_is_read(text: str) -> None:
    spoken = read(text)
    assert not any("\ue000" <= char <= "\uf8ff" for char in spoken)
    assert [char for char in spoken if char.isalpha()] == [char for char in spoken if char in text and char.isalpha()]


@given(st.text(st.characters(codec="utf-8", categories=["L", "Nd", "Zs"]), max_size=80))
def test_text_without_marks_is_not_changed(text: str) -> None:
    assert read(text) == " ".join(without_emoji(text).split()) == " ".join(text.split())
