"""Names have one canonical form; ids and words of the interface are never names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.errors import InvalidInput
from chatterbox_api_core.voices.names import (
    RESERVED_NAMES,
    canonical_name,
    check_name,
    could_be_name,
    is_voice_id,
    new_voice_id,
)


@pytest.mark.parametrize(
    "twin", ["Anna", "ANNA", " anna ", "Ａｎｎａ", "An\u200bna", "anna\u2060", "\ufeffAnna", "An\u00adna", "An\u034fna"]
)
def test_twins_are_one_name(twin: str) -> None:
    assert canonical_name(twin) == "anna"


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRASSE"), ("ﬁn", "FIN"), ("é", "e\u0301"), ("❤️", "❤")])
def test_more_twins(one: str, other: str) -> None:
    assert canonical_name(one) == canonical_name(other)


@pytest.mark.parametrize(("one", "other"), [("Anna", "Anne"), ("a b", "ab"), ("😀", "😃"), ("e", "é")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert canonical_name(one) != canonical_name(other)


@given(st.text())
def test_canonical_form_is_final(name: str) -> None:
    assert canonical_name(canonical_name(name)) == canonical_name(name)


@given(st.text(max_size=120))
def test_an_accepted_name_can_be_asked_for(name: str) -> None:
    try:
        accepted = check_name(name, field="name")
    except InvalidInput as error:
        assert error.field == "name"
        assert error.code == "invalid_name"
    else:
        assert could_be_name(accepted)
        assert not is_voice_id(canonical_name(accepted))


@pytest.mark.parametrize("name", ["Anna", "Dr. No", "日本語", "עברית", "😀 smile", "O'Brien", "a" * 100])
def test_ordinary_names_are_accepted(name: str) -> None:
    assert check_name(name, field="name") == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "   ", "\u200b", "\u3164", "\u2800", ".", "..", "．．"),
        *("a" * 101, "a/b", "a\\b", "C:", "a*", "a?", 'a"', "<a>", "a|b", "a\0b", "a\nb", "a%2fb"),
        *sorted(RESERVED_NAMES),
        *("DEFAULT", "ｄｅｆａｕｌｔ", "voice_x", "VOICE_1", "voice_01arz3ndektsv4rrffq69g5fav"),
    ],
)
def test_others_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_name(name, field="name")


def test_ids_have_their_shape_and_sort_by_time() -> None:
    ids = [new_voice_id(now_ms=now) for now in (0, 1, 2**20, 2**47)]
    assert all(is_voice_id(each) for each in ids)
    assert ids == sorted(ids)
    assert len({new_voice_id() for _ in range(1000)}) == 1000
