"""What is written in many ways is one word: by tables of Unicode's blocks rather than by examples alone."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.text.normalisation import has_words, is_blank, is_spoken, normalise

LANGUAGES = [
    None,
    "en-us",
    "de",
    "vi",
    "ko",
    "ja",
    "cmn",
    "ar",
    "fa",
    "ur",
    "hi",
    "bn",
    "ta",
    "th",
    "my",
    "ru",
    "el",
    "he",
]
NATIVE_DIGITS = {
    "ar": 0x660, "fa": 0x6F0, "ur": 0x6F0, "hi": 0x966, "mr": 0x966, "ne": 0x966, "bn": 0x9E6, "pa": 0xA66, "gu": 0xAE6,
    "or": 0xB66, "ta": 0xBE6, "te": 0xC66, "kn": 0xCE6, "ml": 0xD66, "si": 0xDE6, "th": 0xE50, "lo": 0xED0,
    "my": 0x1040, "km": 0x17E0, "bo": 0xF20,
}  # fmt: skip
INVISIBLE = (
    "\u00ad\u034f\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067"
    "\u2068\u2069\u206a\u206f\ufe00\ufe0e\ufe0f\ufeff\ufff9\ufffb\U0001d173\U000e0001\U000e0020\U000e007f\U000e0100"
    "\u200c\u200d\u180b\u180e"
)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Room １２３ is free", "Room 123 is free"),
        ("𝟏𝟐, 𝟙𝟚, 𝟣𝟤, 𝟭𝟮, 𝟷𝟸", "12, 12, 12, 12, 12"),
        ("①②③ ❶❷ ➀ ⓵ ⓿ ㉑ ㊿ ⑴", "1 2 3 1 2 1 1 0 21 50 (1)"),
        ("Room①, hall ②!", "Room 1, hall 2!"),
        ("⒈Apples ⒉Pears", "1. Apples 2. Pears"),
        ("ﬁne oﬃce ﬂow ﬀ ﬄ ﬆ", "fine office flow ff ffl st"),
        ("Ｈｅｌｌｏ　ｗｏｒｌｄ！", "Hello world!"),
        ("Ｈｅｌｌｏ，ｗｏｒｌｄ？Ｙｅｓ．", "Hello, world? Yes."),
        ("𝐇𝐞𝐥𝐥𝐨 𝓌𝑜𝓇𝓁𝒹 𝕳𝖎 ⓗⓔⓛⓛⓞ 🅗🅘 🄷🄴🄻🄻🄾 🅷🅘", "Hello world Hi hello HI HELLO HI"),
        ("３．１４ １，０００ １２：３０ ５０％ ＄５", "3.14 1,000 12:30 50% $5"),
        ("ｉｎｆｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "info@example.com"),
        ("ｶﾞｷﾞ｡ ﾊﾟﾝ､｢ﾊｲ｣", "ガギ。 パン、「ハイ」"),
        ("Hel\u200blo wor\u2060ld, good\u00adbye, A\u034fB", "Hello world, goodbye, AB"),
        ("Hel\u200dlo wor\u200cld", "Hello world"),
        ("hy\u00ad\nphen", "hyphen"),
        ("home\u0007work\u0000now\u001bthen", "home work now then"),
        ("a\u00a0b\u2003c\u202fd\u3000e\u2800f", "a b c d e f"),
        ("non\u2011breaking", "non-breaking"),
        ("20℃, 5㎏, 3㎡, 4㎝, ㏂", "20°C, 5kg, 3m², 4cm, a.m."),
        ("Ⅷ ⅻ ‼ ⁉ ⁇", "VIII xii !! !? ??"),
        ("H₂O, x₁", "H2O, x1"),
        ("ĳs ǆ ſee", "ijs dž see"),
        ("⼈⼤ ㈱ ㊀", "人大 (株) 一"),
        ("ﻣﺮﺣﺒﺎ ﻻ ﷺ", "مرحبا لا صلى الله عليه وسلم"),
        ("K Å Ω", "K Å Ω"),
    ],
)
def test_one_spelling_for_many(written: str, plain: str) -> None:
    assert normalise(written) == plain


@pytest.mark.parametrize(
    "text",
    [
        "x² + y³ = 1¹, 10⁶, 2ⁿ",
        "½ cup, ⅓, 3¼",
        "Acme™ © 2024 ®",
        "Wait… what‥",
        "№ 5, 5 µm, 1ª, 2º, 30′ 20″",
        "été Größe mañana Việt Nam 안녕하세요",
        "กำลัง ໜ ໝ և ㅋㅋㅋ ٵ",
        "你好，世界！（好）；3：是？",
        "我用Python，很好",
        "می‌خواهم, क्‍ष, ക്‍, ශ්‍රී",
        "👨‍👩‍👧‍👦 ❤️ 1️⃣ 👍🏽 🏳️‍🌈 🇩🇪",
        "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ᠌",
        "5～10 °C, a < b, 100 €",
        "line\nline\n\nparagraph",
    ],
)
def test_what_has_a_meaning_of_its_own_stays(text: str) -> None:
    assert normalise(text) == text


@pytest.mark.parametrize(
    "text",
    ["Việt Nam tiếng Việt", "안녕하세요", "Größe schöne Füße Äpfel", "été élève", "mañana", "Ελλάδα", "й ё", "ガ"],
)
@pytest.mark.parametrize("form", ["NFD", "NFKD", "NFC"])
def test_letters_and_their_marks_are_one(text: str, form: str) -> None:
    assert normalise(unicodedata.normalize(form, text)) == text  # type: ignore[arg-type]


def test_line_breaks_of_every_kind_are_one() -> None:
    assert normalise("a\r\nb\rc\vd\fe\x85f\u2028g\u2029h") == "a\nb\nc\nd\ne\nf\ng\n\nh"


def test_half_a_surrogate_pair_is_dropped_and_a_whole_one_is_a_character() -> None:
    assert normalise("Hello \ud83d world \ude00!") == "Hello  world !"
    assert normalise("\ud83d\ude00 \ud835\udfcf") == "😀 1"


def test_digits_of_every_script_are_digits() -> None:
    digits = "".join(_chars("Nd"))
    assert len(digits) > 600
    for language in LANGUAGES:
        zero = NATIVE_DIGITS.get((language or "").partition("-")[0], ord("0"))
        expected = (char if zero <= ord(char) < zero + 10 else str(unicodedata.digit(char)) for char in digits)
        assert normalise(digits, language=language) == "".join(expected)


@pytest.mark.parametrize(("language", "zero"), NATIVE_DIGITS.items())
def test_languages_keep_the_digits_that_they_write(language: str, zero: int) -> None:
    number = "".join(chr(zero + digit) for digit in (1, 2, 3))
    assert normalise(number, language=language) == number
    assert normalise(number, language=f"{language.upper()}_XX") == number
    assert normalise(number, language="en-us") == "123"


def test_separators_of_arabic_numbers_come_along() -> None:
    assert normalise("١٬٢٣٤٫٥", language="en") == "1,234.5"
    assert normalise("١٬٢٣٤٫٥", language="ar") == "١٬٢٣٤٫٥"


@pytest.mark.parametrize("char", INVISIBLE, ids=lambda char: f"U+{ord(char):04X}")
def test_invisible_characters_part_no_word(char: str) -> None:
    for word in ("Hello", "Größe", "привет", "今天天气", "안녕하세요"):
        assert normalise(f"{char}{word[:2]}{char}{word[2:]}{char}") == word
    assert is_blank(f" {char}\n")


@pytest.mark.parametrize("char", "\u115f\u1160\u3164\uffa0\ufffd\ufffc\u2800", ids=lambda char: f"U+{ord(char):04X}")
def test_what_stands_for_a_letter_parts_words(char: str) -> None:
    assert normalise(f"one{char}two") == "one two"
    assert normalise(f"안녕{char}하세요") == "안녕 하세요"


def test_every_letter_form_of_latin_and_digits_is_folded() -> None:
    """Each character whose compatibility form is of ASCII letters and digits alone, whatever block it is in."""
    kept = re.compile("<(?:super|fraction)>")
    for char in _chars("Lu", "Ll", "Lo", "Nd", "Nl", "No", "So"):
        form = unicodedata.normalize("NFKC", char)
        if char.isascii() or not (form.isascii() and form.isalnum()) or kept.match(unicodedata.decomposition(char)):
            continue
        if (
            char not in "№℠℡™"
            and not 0x1F16A <= ord(char) <= 0x1F1FF
            and unicodedata.decomposition(char)[:8] != "<square>"
        ):
            assert normalise(f" {char} ").strip() == form, f"U+{ord(char):04X} {unicodedata.name(char)}"


@given(st.text(st.characters(codec="utf-8"), max_size=60), st.sampled_from(LANGUAGES))
def test_once_is_enough(text: str, language: str | None) -> None:
    once = normalise(text, language=language)
    assert normalise(once, language=language) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not [char for char in once if unicodedata.category(char) in ("Co", "Cs") or (char < " " and char != "\n")]


@given(st.text(st.characters(), max_size=60))
def test_any_string_is_taken(text: str) -> None:
    normalise(text).encode()


@given(st.text(st.characters(categories=["L"], max_codepoint=0x1FFF), min_size=1, max_size=20))
def test_letters_of_living_scripts_are_not_lost(word: str) -> None:
    composed = unicodedata.normalize("NFC", normalise(word))
    assert unicodedata.normalize("NFKD", composed) == unicodedata.normalize("NFKD", _without_fillers(word))


def test_the_block_of_every_language_is_kept() -> None:
    blocks = [
        (0xC0, 0x24F),
        (0x370, 0x3FF),
        (0x400, 0x52F),
        (0x531, 0x587),
        (0x5D0, 0x5EA),
        (0x621, 0x64A),
        (0x905, 0xDF4),
    ]
    blocks += [(0xE01, 0xEDD), (0xF40, 0xF6C), (0x1000, 0x1055), (0x10D0, 0x10FF), (0x1200, 0x135A), (0x1780, 0x17B3)]
    blocks += [
        (0x3041, 0x309E),
        (0x30A1, 0x30FE),
        (0x3131, 0x3163),
        (0x4E00, 0x9FFF),
        (0xAC00, 0xD7A3),
        (0x13A0, 0x13F5),
        (0x1E00, 0x1EFF),
    ]
    folded = set("ĲĳĿŀŉſẚ\u03d0\u03d1\u03d2\u03d3\u03d4\u03d5\u03d6\u03f0\u03f1\u03f2\u03f4\u03f5\u03f9")
    folded |= {chr(code) for code in (*range(0x1C4, 0x1CD), *range(0x1F1, 0x1F4))}
    for first, last in blocks:
        for char in map(chr, range(first, last + 1)):
            if unicodedata.category(char)[0] in "LM" and char not in folded:
                assert normalise(char, language="hi") == unicodedata.normalize("NFC", char), f"U+{ord(char):04X}"


def test_rows_of_marks_have_a_bound() -> None:
    assert len(normalise("a" + "\u0301\u0327" * 1000)) <= 32


def test_blank_and_without_words() -> None:
    assert is_blank("") and is_blank(" \n\t\u200b\ufeff\0\ud800\u3000\u00ad")  # noqa: PT018
    assert not is_blank("...") and not is_blank("😀")  # noqa: PT018
    assert has_words("1") and has_words("a") and not has_words("... 😀 ***")  # noqa: PT018


def test_signs_that_have_a_name_are_spoken_and_lines_that_are_drawn_are_not() -> None:
    for sign in ("&", "%", "@", "#", "§", "€", "$", "₹", "+", "=", "×", "∞", "<", "$$$", "+/-", "a"):
        assert is_spoken(sign), sign
    for drawn in (
        "",
        " ",
        "...",
        "---",
        "***",
        "=====",
        "+---+---+",
        "|---|:--|",
        "~~~",
        "|",
        "?!",
        "-->",
        "# # #",
        "😀",
    ):
        assert not is_spoken(drawn), drawn


def _chars(*categories: str) -> Iterator[str]:
    return (char for code in range(sys.maxunicode + 1) if unicodedata.category(char := chr(code)) in categories)


def _without_fillers(word: str) -> str:
    return word.replace("\u115f", " ").replace("\u1160", " ")
