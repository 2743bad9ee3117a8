"""Lists, titles, verses and chats end with their lines; what was wrapped does not."""

from __future__ import annotations

import textwrap
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.text.lines import join_lines, plain_lines

PROSE = {
    path.stem: path.read_text(encoding="utf-8").strip() for path in (Path(__file__).parent / "prose").glob("*.txt")
}
UNSPACED = ("ja", "zh")
WORDS = ["the", "a", "big", "house", "with", "old", "windows", "stands", "near", "Paris", "and", "London.", "Nobody"]


def blocks(text: str, language: str | None = None) -> list[str]:
    return [block.text for block in join_lines(plain_lines(text), language=language)]


LINES = {
    "list": "Apples\nPears\nPlums",
    "list in lower case": "apples\npears\nplums",
    "longer list in lower case": "apples and pears\nplums from the garden\nbread\nmilk and butter",
    "list with a title": "Shopping list\napples and pears\nplums and figs",
    "title": "Chapter One\nIt was a dark night.",
    "long title": "The Wonderful Wizard of Oz and Other Famous Stories\n"
    "Dorothy lived in the midst of the great Kansas prairies, with Uncle Henry, who was a farmer.",
    "bullets": "- Apples from the garden\n- pears\n* plums\n• figs\n+ dates",
    "numbers": "1. Open the box.\n2. take out the parts\n3) Read this\n10. go on",
    "letters": "a) the first of them\nb) the second of them\nc) the third",
    "roman": "(i) the first\n(ii) the second",
    "verse": "Shall I compare thee to a summer’s day?\nThou art more lovely and more temperate:\n"
    "Rough winds do shake the darling buds of May,\nAnd summer’s lease hath all too short a date;",
    "verse without marks": "Two roads diverged in a yellow wood\nAnd sorry I could not travel both\n"
    "And be one traveler\nLong I stood",
    "verse that runs on": "Roses are red,\nviolets are blue,\nsugar is sweet,\nand so are you.",
    "lower case verse": "so much depends\nupon\na red wheel\nbarrow",
    "chat": "Anna: hi there\nBob: how are you\nAnna: fine, thanks",
    "chat with times": "[12:30] anna hi there\n[12:31] bob hello\n[12:32] anna bye",
    "irc": "<anna> are you coming tonight or not\n<bob> yes of course I am coming",
    "messages": "hey\nwhat's up\nnot much\nsee you later then",
    "subtitles": "1\n00:00:01,000 --> 00:00:02,500\nHello there.\n2\n00:00:03,000 --> 00:00:04,000\nGood morning!",
    "subtitles in lower case": "1\n00:00:01,000 --> 00:00:02,500\nand so it began.\n2\n"
    "00:00:03,000 --> 00:00:04,000 align:start\nof course it did",
    "WebVTT": "00:01.000 --> 00:02.500\nand so it began.\n00:00:03.000 --> 00:00:04.000\nof course it did",
    "address of a site": "Tel. +49 30 1234-567\nhttps://example.com/x\nor come by when you have the time",
    "address of mail": "Write to all of us at this\ntom@example.com\nwww.example.com\n<https://example.com>\nor do not",
    "table": "| the name of it | the price |\n| a big house | much |\n| small | a car |\nand that is all there is",
    "keycaps": "1️⃣ open the box that came today\n2️⃣ take out all of the parts",
    "address": "Tom Smith\n12 Main Street\nSpringfield\nUSA",
    "German list": "Äpfel\nBirnen\nPflaumen",
    "German address": "Familie Meier\nHauptstraße 5\n12345 Berlin",
    "dialogue": "– Where are you going?\n– Home.\n— And you?",
    "Chinese list": "苹果\n梨\n李子",
    "Chinese verse": "床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。",
    "Chinese chat": "小明：你好\n小红：你好吗",
    "Japanese haiku": "古池や\n蛙飛びこむ\n水の音",
    "Korean list": "사과\n배\n자두",
    "Arabic list": "تفاح\nكمثرى\nخوخ",
    "Hindi list": "सेब\nनाशपाती\nबेर",
    "Thai list": "แอปเปิล\nลูกแพร์\nลูกพลัม",
    "answers": "Yes.\nNo.\nMaybe",
    "sentences": "This is the first sentence of the text.\nThis is the second one.\nHere is the third.",
    "headlines": "Minister resigns after long debate in parliament\nStorm hits the coast\n"
    "Football: local team wins at last",
}  # fmt: skip


@pytest.mark.parametrize("text", LINES.values(), ids=LINES)
def test_each_line_stands_for_itself(text: str) -> None:
    assert blocks(text, "de" if "ß" in text or "Birnen" in text else None) == text.split("\n")


@pytest.mark.parametrize("language", sorted(PROSE.keys() - set(UNSPACED)))
@pytest.mark.parametrize("width", range(45, 100, 5))
def test_wrapped_prose_is_one(language: str, width: int) -> None:
    text = PROSE[language]
    lines = textwrap.wrap(text, width)
    all_are_sentences = all(line.endswith((".", "।")) for line in lines)
    assert blocks("\n".join(lines), language) == (lines if all_are_sentences else [text])


@pytest.mark.parametrize("width", [20, 24, 30, 36, 42])
@pytest.mark.parametrize("language", UNSPACED)
def test_text_without_spaces_is_joined_without_spaces(language: str, width: int) -> None:
    text = PROSE[language]
    wrapped = "\n".join(text[at : at + width] for at in range(0, len(text), width))
    assert blocks(wrapped, language) == [text]


@given(st.lists(st.sampled_from(WORDS), min_size=30), st.integers(50, 90))
def test_wrapped_words_are_one(words: list[str], width: int) -> None:
    text = " ".join(["There", *words])
    lines = textwrap.wrap(text, width)
    if any(line[:1].islower() and not before.endswith(".") for before, line in pairwise(lines)):
        assert blocks("\n".join(lines)) == [text]


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("It was a dark\nand stormy night.", "It was a dark and stormy night."),
        ("The quick brown fox\njumps over the lazy dog", "The quick brown fox jumps over the lazy dog"),
        ("I was walking down\nthe street yesterday.", "I was walking down the street yesterday."),
        ("We saw the exhibition of the\nfamous painter.", "We saw the exhibition of the famous painter."),
        ("We saw most of the great old paintings by\nVermeer.", "We saw most of the great old paintings by Vermeer."),
        ("This word is very com-\nplicated to read.", "This word is very complicated to read."),
        ("He is a self-\nmade man of the world.", "He is a self-made man of the world."),
        ("This is state-of-\nthe-art work.", "This is state-of-the-art work."),
        ("This is a CO2-\nneutral house.", "This is a CO2-neutral house."),
        ("It is an H2O-\nbased paint.", "It is an H2O-based paint."),
        ("We have a 5-\nyear plan here.", "We have a 5-year plan here."),
        ("Here is my mother-\nin-law at last.", "Here is my mother-in-law at last."),
        ("It is a com-\nplicated — well-known — case.", "It is a complicated — well-known — case."),
        ("They came from Baden-\nwürttemberg to us.", "They came from Badenwürttemberg to us."),
    ],
)  # fmt: skip
def test_what_runs_on_is_joined(text: str, joined: str) -> None:
    assert blocks(text) == [joined]


def test_a_hyphen_before_and_stays() -> None:
    text = "Wir fuhren im letzten Sommer gemeinsam zum Nord-\nund Südpol der Erde."
    assert blocks(text, "de") == ["Wir fuhren im letzten Sommer gemeinsam zum Nord- und Südpol der Erde."]


def test_a_wrapped_ordinal_number_is_no_list() -> None:
    text = "Wir haben lange darauf gewartet, dass endlich der\n3. Oktober kommt, denn dann ist der neue Zoo\ngeöffnet."
    assert blocks(text, "de") == [" ".join(text.split("\n"))]


def test_a_wrapped_letter_keeps_its_parts() -> None:
    body = textwrap.fill(PROSE["en"], 72)
    letter = (
        f"Dear Anna,\n\n{body}\n\nThings to bring:\n- boots\n- a warm coat that keeps out\n  the rain\n\nYours,\nTom"
    )
    assert blocks(letter) == [
        "Dear Anna,",
        PROSE["en"],
        "Things to bring:",
        "- boots",
        "- a warm coat that keeps out the rain",
        "Yours,",
        "Tom",
    ]


def test_an_indented_line_goes_on_with_its_item() -> None:
    assert blocks("- Boots\n  Socks\n- Hat\nBye") == ["- Boots Socks", "- Hat", "Bye"]


def test_a_title_above_wrapped_prose_stands_for_itself() -> None:
    assert blocks(f"Chapter One\n{textwrap.fill(PROSE['en'], 72)}") == ["Chapter One", PROSE["en"]]


def test_blank_lines_are_paragraphs() -> None:
    ends = [(block.text, block.boundary) for block in join_lines(plain_lines("a\nb\n \n\n\nc\n"), language=None)]
    assert ends == [("a", "line"), ("b", "paragraph"), ("c", "paragraph")]


@given(st.text(st.sampled_from("abC.,-:> 1)\n中の한กا"), max_size=200), st.sampled_from([None, "de", "zh"]))
def test_no_character_is_lost(text: str, language: str | None) -> None:
    def kept(text: str) -> str:
        return "".join(text.replace("-", "").split())

    assert kept("".join(blocks(text, language))) == kept(text)
