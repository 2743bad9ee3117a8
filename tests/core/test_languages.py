"""Language tags: what is one, how it is kept, and what a person is told who wrote a name instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.language_codes import TABLE
from chatterbox_api_core.languages import check_language_tag, language_tag

ROWS = [entry.strip().split("|") for entry in TABLE.split(";") if entry.strip()]
CODES = {code: codes.split()[0] for codes, *_ in ROWS for code in codes.split()}


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        *(("de", "de"), ("DE", "de"), (" de ", "de"), ("pt-br", "pt-BR"), ("en_us", "en-US"), ("PT_BR", "pt-BR")),
        *(("zh-hans-cn", "zh-Hans-CN"), ("en-gb-x-rp", "en-GB-x-rp"), ("es-419", "es-419"), ("zh-yue", "zh-yue")),
        *(("cmn", "cmn"), ("yue", "yue"), ("fil", "fil"), ("deu", "de"), ("ger", "de"), ("iw", "he")),
        *(("sl-rozaj-biske-1994", "sl-rozaj-biske-1994"), ("de-DE-U-CO-phonebk", "de-DE-u-co-phonebk")),
        *(("cmn-latn-pinyin", "cmn-Latn-pinyin"), ("CHR-us-qaaa-x-west", "chr-US-Qaaa-x-west")),
    ],
)
def test_tags_are_kept_in_one_form(written: str, kept: str) -> None:
    assert language_tag(written) == kept
    assert language_tag(kept) == kept


@pytest.mark.parametrize(
    "written",
    [
        *(
            "xx",
            "qq",
            "zz",
            "klingon",
            "German",
            "de-",
            "-de",
            "de--AT",
            "de-Deutschland",
            "x-mine",
            "not a tag",
            "日本",
        ),
        *("", "a", "e" * 40, "en-US.UTF-8", "de AT", "auto", "en-x", "en-u", "ｄｅ", "de\0"),
    ],
)
def test_what_is_no_tag(written: str) -> None:
    assert language_tag(written) is None
    with pytest.raises(InvalidInput) as refused:
        check_language_tag(written, field="language")
    assert (refused.value.code, refused.value.field) == ("invalid_language", "language")


@pytest.mark.parametrize(
    ("written", "tag"),
    [
        *(
            ("German", "de"),
            ("deutsch", "de"),
            ("DEUTSCH", "de"),
            ("Français", "fr"),
            ("english", "en"),
            ("日本語", "ja"),
        ),
        *(("Brazilian Portuguese", "pt-BR"), ("German (Austria)", "de"), ("Germn", "de"), ("Mandarin", "cmn")),
        *(("British English", "en-GB"), ("en_US.UTF-8", "en-US"), ("中文", "zh"), ("Klingon", "tlh"), ("Farsi", "fa")),
    ],
)
def test_a_language_that_is_named_is_told_its_tag(written: str, tag: str) -> None:
    with pytest.raises(InvalidInput, match=f"Use '{tag}'"):
        check_language_tag(written, field="language")


def test_every_name_of_the_table_leads_to_a_tag() -> None:
    assert len([codes for codes, *_ in ROWS if len(codes.split()[0]) == 2]) == 184, "ISO 639-1 is complete"
    for codes, *names in ROWS:
        assert names, codes
        for name in names:
            if language_tag(name) is None:  # Twi is both
                with pytest.raises(InvalidInput, match=r"Use '[a-z]{2,3}'\."):
                    check_language_tag(name, field="language")


LETTERS = st.sampled_from("abcdefghijklmnopqrstuvwxyz")


@given(st.sampled_from(sorted(CODES)), st.text(LETTERS, min_size=2, max_size=2), st.sampled_from("-_"), st.booleans())
def test_any_language_with_any_region(code: str, region: str, between: str, capitals: bool) -> None:
    written = f"{code}{between}{region}"
    assert language_tag(written.upper() if capitals else written) == f"{CODES[code]}-{region.upper()}"


@given(st.text(LETTERS, min_size=2, max_size=8).filter(lambda text: text not in CODES and text not in ("py", "piqd")))
def test_letters_that_are_no_code_are_no_tag(letters: str) -> None:
    assert language_tag(letters) is None
    assert language_tag(f"{letters}-DE") is None
    assert language_tag(letters, known=["de", letters.upper()]) == letters.upper(), "an engine has it"


@given(st.text(max_size=60))
def test_any_text_is_a_tag_or_refused(text: str) -> None:
    tag = language_tag(text)
    if tag is None:
        with pytest.raises(InvalidInput):
            check_language_tag(text, field="language")
    else:
        assert language_tag(tag) == tag
