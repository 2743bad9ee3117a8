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
        ("(see https://de.wikipedia.org/wiki/Größe_(Maß))", "(see de.wikipedia.org)"),
        ("请看https://example.com/文档，很好", "请看example.com文档，很好"),
        ("Write to <me@example.com> or a_b@c.de.", "Write to me@example.com or a_b@c.de."),
        ("| Name | Age |\n|:-----|----:|\n| Anna | 5 |\n| Bob \\| Bo | |", "Name, Age\nAnna, 5\nBob | Bo"),
        ("Name | Age\n--- | ---\nAnna | 5\n\nno | table", "Name, Age\nAnna, 5\n\nno | table"),
        ("<!-- hidden --> b\n  <!-- a --><!-- two\nlines --> c\nd", "b\n\nc\nd"),
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
        "Use <!-- in HTML and --> as arrows",
        "if (a <!--b) x; foo --> bar",
        "[Alice]: Hi\n[Bob]: Hello!\n[12:03]: yes (of course I do)\n[Carol]: how are you",
        '[Alice]: 3.50\n[Bob]: e.g.\n[Carol]: ...\n[Dora]: OK\n[Emil]: Hi "there" you',
        "[pause:500ms]: Hello",
        "[Pause = 1.5 s]: Hello",
        "~~~ Chapter One ~~~\nIt was dark.",
        "~~~ Happy birthday ~~~",
        "```hello world\nfoo",
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
        "#️⃣",
        "*️⃣",
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


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("https://a.com/x에서 보세요", "a.com 에서 보세요"),
        ("https://a.com에서 보세요", "a.com 에서 보세요"),
        ("ดูhttps://a.com/xที่นี่", "ดูa.com ที่นี่"),
        ("请看https://a.com/x，很好", "请看a.com，很好"),
        ("https://a.com/x، ثم https://a.com/x؟", "a.com، ثم a.com؟"),
        ("https://a.com/x،ثم", "a.com،ثم"),
        ("»https://a.com/x« https://a.com/x»Hallo«", "»a.com« a.com»Hallo«"),
        ("https://a.com/x—and then https://a.com/x–or", "a.com—and then a.com–or"),
        ("https://a.com/x’s and ‘https://a.com/x’", "a.com’s and ‘a.com’"),
        ("“See https://a.com/x.” Then she left.", "“See a.com.” Then she left."),
        ('"See https://a.com/x." Then', '"See a.com." Then'),
        ("(https://en.wikipedia.org/wiki/Foo_(bar))", "(en.wikipedia.org)"),
        ("(https://en.wikipedia.org/wiki/Foo_(bar)_(baz)).", "(en.wikipedia.org)."),
        ("See https://en.wikipedia.org/wiki/Foo_(bar).", "See en.wikipedia.org."),
        ("((https://a.com/x))", "((a.com))"),
        ("[see https://a.com/x[1]]", "[see a.com]"),
    ],
)
def test_of_an_address_the_host_is_spoken_and_of_what_stands_around_it_all(written: str, spoken: str) -> None:
    assert read(written) == spoken


@pytest.mark.parametrize(
    "definition",
    [
        "[1]: https://x.org",
        "[a b]: <https://x.org> 'Title'",
        '[1]: x.org/page "Title (with) more"',
        "[1]: ./page.md (Title)",
        "[1]: ../page",
        "[1]: /page",
        "[1]: #part",
        "[//]: # (A comment)",
        "[//]: <> (A comment)",
        "[1]: mailto:me@example.com",
        "[logo]: logo.png",
    ],
)
def test_a_definition_of_a_label_is_not_spoken(definition: str) -> None:
    assert read(f"above\n\n{definition}\n\nbelow").split() == ["above", "below"]


def test_a_pause_is_no_label_and_no_link() -> None:
    assert "[pause:1s]" in read("Wait [pause:1s] here.\n\n[pause:1s]: http://x.org")
    assert read("[pause:500ms](http://x.org)") == "[pause:500ms](x.org)"
    assert read("![Pause: 1s](http://x.org) and [pause button](http://x.org)") == "![Pause: 1s](x.org) and pause button"


@pytest.mark.parametrize("info", ["", "python", " python", "c++", "{.py #id}", 'py title="a b.py"', "js {1,3}"])
@pytest.mark.parametrize("fence", ["```", "~~~", "`````"])
def test_the_language_of_code_is_not_spoken(fence: str, info: str) -> None:
    assert read(f"{fence}{info}\nx = 1\n{fence}\nafter") == "x = 1\nafter"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Press 1️⃣ or 2️⃣", "Press 1 or 2"),
        ("Press 1️⃣, then 0️⃣.", "Press 1, then 0."),
        ("1️⃣ First\n2️⃣ Second\n🔟 Tenth", "1 First\n2 Second\n10 Tenth"),
        ("1️⃣2️⃣3\u20e3", "1 2 3"),
        ("A1️⃣b", "A 1 b"),
    ],
)
def test_the_number_of_a_keycap_is_spoken(written: str, spoken: str) -> None:
    assert read(written) == spoken


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
