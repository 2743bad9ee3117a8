"""Every word of a text is spoken once, in order, in pieces that the engine can take."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.text import MAX_PAUSE_S, clean, split

TEXTS = st.text(
    st.one_of(st.sampled_from(" .!?,;\n。、！abcdeXYZ"), st.characters(codec="utf-8", exclude_categories=["Cs"])),
    max_size=600,
)


@given(TEXTS, st.integers(10, 200), st.integers(5, 200))
def test_nothing_is_lost_added_or_too_long(text: str, max_chars: int, first_chars: int) -> None:
    pieces = split(text, max_chars=max_chars, first_chars=first_chars)
    spoken = "".join("".join(piece.text for piece in pieces).split())
    assert [char for char in spoken if words(char)] == [char for char in text if words(char)]
    assert all(0 < len(piece.text) <= max_chars and words(piece.text) for piece in pieces)


def words(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def test_what_has_no_words_is_no_piece() -> None:
    assert [piece.text for piece in split("Hello.\n\n---\n\n***\n\nBye.", max_chars=100)] == ["Hello.", "Bye."]
    assert split("--- ***", max_chars=100) == ()


def test_first_piece_is_short_the_others_are_full() -> None:
    text = "This is a first sentence. " + "And here is another one that goes on. " * 30
    pieces = split(text, max_chars=300)
    assert len(pieces[0].text) <= 120
    assert all(len(piece.text) > 200 for piece in pieces[1:-1])


def test_sentences_are_kept_whole() -> None:
    pieces = split("One two. Three four! Five six? Seven…", max_chars=20, first_chars=20)
    assert [piece.text for piece in pieces] == ["One two. Three four!", "Five six? Seven…"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith came. Mr. Jones left.", ["Dr. Smith came.", "Mr. Jones left."]),
        ("It was J. R. Smith. He left.", ["It was J. R. Smith.", "He left."]),
        ("Take version 2.5 now. It runs.", ["Take version 2.5 now.", "It runs."]),
        ('He said "Go!" and left. She ran.', ['He said "Go!" and left.', "She ran."]),
        ("It is 3 p.m. here. We eat now.", ["It is 3 p.m. here.", "We eat now."]),
    ],
)
def test_abbreviations_numbers_and_quotes_end_no_sentence(text: str, sentences: list[str]) -> None:
    assert [piece.text for piece in split(text, max_chars=24, first_chars=24)] == sentences


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("今日は天気がいい。散歩に行こう。", "今日は天気がいい。"),
        ("यह पहला है। यह दूसरा है।", "यह पहला है।"),
        ("هل هذا صحيح؟ نعم.", "هل هذا صحيح؟"),
    ],
)
def test_other_scripts_end_sentences_too(text: str, first: str) -> None:
    assert split(text, max_chars=14, first_chars=14)[0].text == first


def test_paragraphs_are_marked() -> None:
    pieces = split("One.\n\nTwo is here. Three.\n \nFour.", max_chars=100)
    assert [(piece.text, piece.ends) for piece in pieces] == [
        ("One.", "paragraph"),
        ("Two is here. Three.", "paragraph"),
        ("Four.", "paragraph"),
    ]


def test_long_sentences_are_cut_at_clauses_then_spaces_then_characters() -> None:
    pieces = split("one two three four, five six seven eight nine ten eleven", max_chars=30, first_chars=30)
    assert [piece.text for piece in pieces] == ["one two three four,", "five six seven eight nine ten", "eleven"]
    assert [piece.ends for piece in pieces] == ["clause", "clause", "paragraph"]
    assert [len(piece.text) for piece in split("x" * 70, max_chars=30, first_chars=30)] == [30, 30, 10]


def test_a_character_and_its_marks_stay_together() -> None:
    pieces = split("e\u0301" * 40, max_chars=31, first_chars=31)
    assert all(piece.text.startswith("e") for piece in pieces)
    assert all(piece.text.startswith("ที") for piece in split("ที" * 40, max_chars=31, first_chars=31))


@pytest.mark.parametrize("text", ["", "  \n", "...", "?!", "😀🎉", "\u200b\u200b", "\0", "\ud800", "*-_"])
def test_nothing_to_say_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        clean(text, max_chars=100)
    assert (caught.value.code, caught.value.field) == ("empty_input", "input")


def test_too_long_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        clean("a" * 101, max_chars=100)
    assert caught.value.code == "input_too_long"


def test_what_cannot_be_spoken_is_taken_out() -> None:
    assert clean("page\fNext\x85line\vand\x1fmore", max_chars=100) == "page\nNext\nline\nand\nmore"
    assert clean("a\0b\x07c\u202ed\ufeffe\ud800 f\r\ng", max_chars=100) == "abcde f\ng"
    assert clean("می\u200cخواهم", max_chars=100) == "می\u200cخواهم", "joiners are part of words"


@pytest.mark.parametrize("text", [mark * 4095 + "a" for mark in ".।。?”"])
def test_rows_of_marks_take_little_time(text: str) -> None:
    began = time.process_time()
    split(clean(text, max_chars=4096), max_chars=400)
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize("text", ["a" * 4096, "\u0301" * 4095 + "a", "a." * 2048, ". " * 2000 + "a", "a,b " * 1024])
def test_hostile_text_takes_little_time(text: str) -> None:
    began = time.process_time()
    split(clean(text, max_chars=4096), max_chars=400)
    assert time.process_time() - began < 0.5


def test_a_pause_ends_a_piece_and_is_not_spoken() -> None:
    pieces = split("Wait. [pause:500ms] Now, [PAUSE: 1.5 s] go. [pause:0.5s][pause:300ms]", max_chars=100)
    assert [(piece.text, piece.pause_s) for piece in pieces] == [
        ("Wait.", 0.5),
        ("Now,", 1.5),
        ("go.", pytest.approx(0.8)),
    ]


def test_a_pause_before_all_words_is_kept() -> None:
    assert [(piece.text, piece.pause_s) for piece in split("[pause:1s] Go.", max_chars=100)] == [
        ("", 1.0),
        ("Go.", None),
    ]


def test_a_pause_has_a_limit_and_words_in_brackets_are_words() -> None:
    assert split("One. [pause:999s] Two.", max_chars=100)[0].pause_s == MAX_PAUSE_S
    for text in ("[pause]", "[pause:soon]", "[pause:5]", "[applause:5s]"):
        assert "".join(piece.text for piece in split(f"One {text} two.", max_chars=100)) == f"One {text} two."


def test_pauses_alone_are_nothing_to_say() -> None:
    with pytest.raises(InvalidInput) as caught:
        clean("[pause:1s] [pause:200ms]", max_chars=100)
    assert caught.value.code == "empty_input"


def test_each_sentence_can_be_a_piece() -> None:
    text = "One is here. Two is there! Is three?"
    assert len(split(text, max_chars=400)) == 1
    assert [piece.text for piece in split(text, max_chars=400, each_sentence=True)] == [
        "One is here.",
        "Two is there!",
        "Is three?",
    ]
