"""SSML: what it says is spoken, what it asks for is done, what is wrong is told with its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.text import check_text, segment
from chatterbox_api_core.text.ssml import read_ssml


def spoken(text: str) -> list[str]:
    return [stretch.text for stretch in read_ssml(text)]


def refused(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        check_text(text, max_chars=1_000_000, text_format="ssml")
    assert (caught.value.code, caught.value.field) == ("invalid_ssml", "text")
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "Hello <b>big</b> world",
        "<speak>Hello <emphasis>big</emphasis> world</speak>",
        ' \n<?xml version="1.0" encoding="iso-8859-1"?>\n<speak xmlns="x" xml:lang="en">Hello big world</speak>\n',
        "<speak>\n  Hello\n\n  big <!-- comment --> <mstts:express-as style='x'>world</mstts:express-as></speak>",
        "<voice name='x'><prosody rate='fast'>Hello</prosody> big <![CDATA[world]]></voice>",
        "\ufeff<speak>Hello big w\u200borld</speak>",
        "Ｈｅｌｌｏ big wor&#x6C;d",
    ],
)  # fmt: skip
def test_words_are_spoken_whatever_is_around_them(text: str) -> None:
    assert spoken(text) == ["Hello big world"]


def test_a_text_without_any_mark_up_is_ssml_too() -> None:
    assert spoken("Just words &amp; &lt;marks&gt; &quot;here&quot; &apos;now&apos;") == [
        "Just words & <marks> \"here\" 'now'"
    ]


@pytest.mark.parametrize(
    ("attributes", "pause_s"),
    [
        ("time='500ms'", 0.5), ("time='1.5s'", 1.5), ("time='+2s'", 2.0), ("time='.5s'", 0.5), ("time='99s'", 10.0),
        ("", 0.75), ("strength='x-weak'", 0.25), ("strength='weak'", 0.5), ("strength='medium'", 0.75),
        ("strength='strong'", 1.0), ("strength='x-strong'", 1.25), ("strength='weak' time='3s'", 3.0),
    ],
)  # fmt: skip
def test_breaks_are_pauses(attributes: str, pause_s: float) -> None:
    segments = segment(f"One <break {attributes}/> two.", text_format="ssml", max_chars=100)
    assert [(each.text, each.boundary, each.pause_s) for each in segments] == [
        ("One", "clause", pause_s),
        ("two.", "paragraph", None),
    ]


def test_no_break_is_no_pause() -> None:
    for attribute in ("strength='none'", "time='0ms'"):
        assert spoken(f"One<break {attribute}/> two") == ["One two"]


def test_breaks_add_up_and_may_stand_alone() -> None:
    text = "<speak><break time='1s'/>One<break time='1s'/><break time='2s'/></speak>"
    segments = segment(text, text_format="ssml", max_chars=100)
    assert [(each.text, each.pause_s) for each in segments] == [("", 1.0), ("One", 3.0)]
    assert [(each.text, each.pause_s) for each in segment("<break/>", text_format="ssml", max_chars=100)] == [
        ("", 0.75)
    ]


def test_paragraphs_and_sentences() -> None:
    text = "<speak>Zero<p><s>One</s><s>two. Three</s></p><p>Four</p> five</speak>"
    segments = segment(text, text_format="ssml", max_chars=100)
    assert [(each.text, each.boundary) for each in segments] == [
        ("Zero", "paragraph"),
        ("One", "sentence"),
        ("two. Three", "paragraph"),
        ("Four", "paragraph"),
        ("five", "paragraph"),
    ]


def test_an_alias_is_spoken_in_place_of_what_it_stands_for() -> None:
    assert spoken("The <sub alias='World Wide Web Consortium'>W3<b>C</b><break/></sub> met") == [
        "The World Wide Web Consortium met"
    ]
    assert spoken("<sub>W3C</sub>") == ["W3C"]


@pytest.mark.parametrize("kind", ["characters", "spell-out"])
def test_characters_are_spelled(kind: str) -> None:
    assert spoken(f"X<say-as interpret-as='{kind}'>AB1</say-as>.") == ["X A B 1."]
    assert spoken(f"<say-as interpret-as='{kind}'>a <b>c</b></say-as>d") == ["a c d"]
    assert spoken("<say-as interpret-as='date'>5 May</say-as>") == ["5 May"]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("One <b>two", 1, 11),
        ("One </b> two", 1, 7),
        ("<speak>One\n<b>two</i></speak>", 2, 9),
        ("a < b", 1, 4),
        ("Tom & Anna", 1, 6),
        ("&nbsp;", 1, 1),
        ("<speak>a\n &unknown;</speak>", 2, 2),
        ("<speak>One</speak><speak>two</speak>", 1, 19),
        ("One\n<break time='soon'/>", 2, 1),
        ("One <break strength='huge'/>", 1, 5),
        ("<b x='1' x='2'>a</b>", 1, 10),
        ("Hello</speak><speak>there", 1, 14),
        ("a &#x110000; b", 1, 3),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, line: int, column: int) -> None:
    found = re.search(r"\(line (\d+), column (\d+)\)", str(refused(text)))
    assert found is not None
    assert (int(found.group(1)), int(found.group(2))) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE speak [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><speak>&b;</speak>',
        '<?xml version="1.0"?><!DOCTYPE speak SYSTEM "file:///etc/passwd"><speak>a</speak>',
        "<speak><?php echo 1 ?>a</speak>",
        "<speak><!ENTITY a 'b'></speak>",
        "<a>" * 101 + "</a>" * 101,
    ],
)
def test_what_could_expand_is_refused(text: str) -> None:
    refused(text)


@pytest.mark.parametrize("before", ["", " \n", "\ufeff", '<?xml version="1.0"?>', "<!-- a --> <!-- b -->\n"])
def test_a_document_type_is_named_as_what_is_wrong(before: str) -> None:
    assert "a document type is not allowed" in str(refused(f"{before}<!DOCTYPE speak><speak>a</speak>"))


@pytest.mark.parametrize(
    "char", ["\0", "\x01", "\x07", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\x85", "\ufffe", "\uffff"]
)
def test_a_control_character_is_white_space(char: str) -> None:
    assert " ".join(spoken(f"<speak>home {char}<b>work</b>{char}</speak>")) == "home work"


@pytest.mark.parametrize(
    "text",
    [
        "<voice>Good morning</voice><voice>Hi</voice>",
        "<voice name='a'>Good morning</voice>Hi",
        "Good morning<voice>Hi</voice>",
        "<audio src='x.wav'>Good morning</audio><audio src='y.wav'>Hi</audio>",
        "<par><media>Good morning</media><media>Hi</media></par>",
        "<seq>Good morning</seq>Hi",
        "<x:voice xmlns:x='y'>Good <w>morning</w></x:voice><w>Hi</w>",
        "<audio src='x.wav'><desc>a cat</desc>Good morning</audio> Hi",
        "<speak><metadata><a>Author</a></metadata><lexicon uri='x'>l</lexicon>Good morning Hi</speak>",
    ],
)
def test_elements_that_part_words_part_them_and_descriptions_are_not_spoken(text: str) -> None:
    assert spoken(text) == ["Good morning Hi"]
    assert spoken(text.replace("Hi", "Hi<b>!</b>")) == ["Good morning Hi!"]


def test_no_space_comes_before_a_mark() -> None:
    assert spoken("<voice>Good</voice>, <voice>“well</voice>” or (<voice>not</voice>).") == ["Good, “well” or ( not)."]


def test_names_may_have_a_prefix() -> None:
    text = "<ssml:speak xmlns:ssml='x'><ssml:p>One</ssml:p><ssml:p>Two<ssml:break time='2s'/></ssml:p></ssml:speak>"
    segments = segment(text, text_format="ssml", max_chars=100)
    assert [(each.text, each.pause_s) for each in segments] == [("One", None), ("Two", 2.0)]
    assert spoken("<ssml:sub alias='World'>W</ssml:sub> <a:say-as interpret-as='characters'>AB</a:say-as>") == [
        "World A B"
    ]


def test_an_expansion_is_refused_before_it_begins() -> None:
    levels = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 30))
    refused(f'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY l0 "ha">{levels}]><speak>&l29;</speak>')


@given(st.text(st.sampled_from("<>/&;'\"= !?-[]abps\n#x1\ud83d中"), max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for document in (text, f"<speak>{text}</speak>", f"<say-as interpret-as='characters'>{text}</say-as>"):
        try:
            read_ssml(document)
        except InvalidInput as error:
            assert error.code == "invalid_ssml"


@given(st.text(st.characters(codec="utf-8", categories=["L", "Nd", "Zs"], max_codepoint=0x24F), max_size=60))
def test_plain_words_are_the_same_in_every_format(text: str) -> None:
    formats = [segment(text, text_format=each, max_chars=400) for each in ("auto", "plain", "ssml")]
    assert formats[0] == formats[1] == formats[2]
