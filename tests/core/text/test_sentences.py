"""Sentences end where a reader says they end.

`sentences/` has what is hard, by language: `|` parts the sentences of a line, and a line ends one. Beside it stands
`sentencex` (Wikimedia's, for some 300 languages): where it differs, the difference is listed here and judged.
"""

from __future__ import annotations

import time
from itertools import accumulate
from pathlib import Path

import pytest
import sentencex
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.text.sentences import sentences

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "sv")

CORPUS = {
    language: [
        part.strip()
        for line in (Path(__file__).parent / "sentences" / f"{language}.txt").read_text(encoding="utf-8").splitlines()
        for part in line.split("|")
    ]
    for language in LANGUAGES
}


def ends(parts: list[str]) -> set[int]:
    """Where sentences end, counted in characters that are no white space."""
    return set(accumulate(len("".join(part.split())) for part in parts))


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_end_where_a_reader_says(language: str) -> None:
    expected = CORPUS[language]
    assert len(expected) >= 40
    assert list(sentences(" ".join(expected), language=language)) == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_sentence_by_itself_is_one(language: str) -> None:
    for sentence in CORPUS[language]:
        assert list(sentences(sentence, language=language)) == [sentence]


def test_agreement_with_another_splitter() -> None:
    """Both are asked for the whole corpus; both must agree on most ends, and ours be right where they do not.

    `sentencex` ends a sentence at `approx. | 5 kg`, `9 a.m. | Monday` and `Vol. | 3` (en), `Der 2. | Weltkrieg` and
    `die 3. | Aufl.` (de), `M. | Dupont` and `n. | 5` (fr), `Mevr. | de Vries` (nl), `5 млн. | акций` (ru), `kl. | 15`
    (sv), and at abbreviations of all ten. It ends none after `etc.` before a capital (de, fr, es, nl, sv), after
    brackets, `(He was late.) Nobody`, or after `Yes.` and `No.` in languages that abbreviate a number so.
    """
    agreed = all_ends = 0
    for language, expected in CORPUS.items():
        text = " ".join(expected)
        theirs = ends(sentencex.segment(language, text))
        ours = ends(list(sentences(text, language=language)))
        agreed += len(ours & theirs)
        all_ends += len(ours | theirs)
        assert len(ours ^ ends(expected)) <= len(theirs ^ ends(expected)), language
    assert agreed / all_ends > 0.75, f"{agreed} of {all_ends}"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("你好。|今天天气很好！|是吗？|“对。”|我们走吧", "zh"),
        ("你好!|今天很好?|是的", "zh"),
        ("はい。|「行くよ。」と言った。|そうですか？|はい", "ja"),
        ("यह पहला है।|यह दूसरा है॥|और यह", "hi"),
        ("هل هذا صحيح؟|نعم.|لا", "ar"),
        ("یہ پہلا ہے۔|یہ دوسرا ہے۔", "ur"),
        ("ጤና ይስጥልኝ።|እንዴት ነህ፧|ደህና", "am"),
        ("Բարև Ձեզ։|Ինչպե՞ս եք:|Լավ եմ։", "hy"),
        ("မင်္ဂလာပါ။|နေကောင်းလား။", "my"),
        ("សួស្តី។|អរគុណ។", "km"),
        ("བཀྲ་ཤིས།|བདེ་ལེགས།", "bo"),
        ("Τι είναι αυτό;|Δεν ξέρω.|Ναι", "el"),
        ("안녕하세요.|반갑습니다!|네", "ko"),
        ("שלום.|מה שלומך?|טוב", "he"),
        ("Den 5. maj kom han.|Det var fint.", "da"),
        ("Přišel 5. května, např. Jan s.r.o. Praha.|Ano.", "cs"),
        ("Bu vb. şeyler 3. Bölüm içinde.|Evet.", "tr"),
        ("Dr. Ion a venit.|Bine.", "ro"),
    ],
)
def test_other_languages(text: str, language: str) -> None:
    parts = text.split("|")
    joined = ("" if language in ("zh", "ja") else " ").join(parts)
    assert list(sentences(joined, language=language)) == parts


@pytest.mark.parametrize(
    "text",
    [
        "The U.S. Army and the U.K. Government met.",
        "Open https://example.com/a.b?c=d.e now, or read.me. please",
        "It costs 3.50 or 1.000.000 or .5 of it.",
        "He said “Stop!” and left.",
        "She asked “Really?!” with a smile.",
        "That is it ... or not.",
        "Wait . . . what?",
        "It is 5 p.m. here in St. Petersburg.",
        "See ch. 3, sec. 4, pp. 5 and eq. 6 in vol. IV of it.",
        "Mr. and Mrs. J. P. Morgan Jr. of Co. Cork came.",
    ],
)
def test_no_sentence_ends_here(text: str) -> None:
    assert list(sentences(text, language="en")) == [text]


def test_a_language_without_a_table_knows_initials_and_numbers() -> None:
    for language in ("sw", "xx", "hu", ""):
        assert list(sentences("J. R. Toto na U.N. Habitat. 2. Mbili. Tatu.", language=language)) == [
            "J. R. Toto na U.N. Habitat.",
            "2. Mbili.",
            "Tatu.",
        ]


@given(
    st.text(st.sampled_from(" .!?…।。\"'”)»«([aAbB1ÉЯ中のह’"), max_size=120),
    st.sampled_from([*LANGUAGES, None, "ja", "hi", "el"]),
)
def test_nothing_is_lost(text: str, language: str | None) -> None:
    text = " ".join(text.split())
    assert "".join("".join(sentences(text, language=language)).split()) == "".join(text.split())


def test_a_row_of_abbreviations_takes_time_that_grows_with_its_length() -> None:
    """Fifty times as long takes about fifty times as long. A slice for each, copied fast, were some 250 times."""

    def seconds(chars: int) -> float:
        text = ("Mr. " * chars)[:chars]
        began = time.process_time()
        list(sentences(text))
        return time.process_time() - began

    short = min(seconds(20_000) for _ in range(5))
    assert seconds(1_000_000) < 130 * short
