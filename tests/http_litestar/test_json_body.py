"""JSON that clients cut, mark or encode in their own way."""

from __future__ import annotations

import json
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_http_litestar.json_body import decode_json

HALF = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"])
TEXT = st.text(st.one_of(st.characters(), HALF, st.sampled_from('\\u"d8🌍')))


@given(st.dictionaries(TEXT, TEXT))
def test_halves_of_pairs_are_dropped_and_nothing_else(value: dict[str, str]) -> None:
    """`json` escapes them as clients do, and so does it the pairs, which stay."""

    def whole(text: str) -> str:
        return re.sub("[\ud800-\udfff]", "", text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass"))

    body = json.dumps(value).encode()
    joined = json.loads(body)  # two halves that meet are a pair
    assert decode_json(body) == {whole(name): whole(text) for name, text in joined.items()}


@pytest.mark.parametrize("half", ["\\ud83d", "\\uD83D", "\\udE00", "\\ud83d\\ud83d", "\\ude00\\ud83d"])
def test_an_example_of_each(half: str) -> None:
    assert decode_json(f'{{"input": "Hello {half} world"}}'.encode()) == {"input": "Hello  world"}
    escaped = half.replace("\\", "\\\\")
    assert decode_json(f'{{"input": "Hello {escaped} world"}}'.encode()) == {"input": f"Hello {half} world"}


def test_a_byte_order_mark_is_taken_off() -> None:
    assert decode_json(b'\xef\xbb\xbf{"input": "a"}') == {"input": "a"}


@pytest.mark.parametrize(
    "body", [b"", b"\xef\xbb\xbf", b"{", b'"\\ud83d', b'"\\ud83d" x', b'"\\ud83', b'"\0\\ud83d"', b'"\\x"']
)
def test_what_is_no_json_stays_none(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_json(body)
