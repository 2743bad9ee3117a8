"""Adapters are chosen by name, or by `auto` in a fixed order; what is half set up stops the start."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from itertools import combinations
from typing import Any

import pytest

from chatterbox_api.compose import chosen, compose
from chatterbox_api.environment import check_all
from chatterbox_api_core.errors import ConfigurationError, PluginError
from chatterbox_api_core.plugins import CLIP_READERS, ENCODERS, SYNTHESIZERS, VOICE_STORES, Plugin, load


def test_auto_takes_the_first_that_is_set_up() -> None:
    assert chosen(SYNTHESIZERS, {})[0] == "espeak"
    assert chosen(VOICE_STORES, {})[0] == "local"
    assert chosen(ENCODERS, {}) == ("pyav", "soundfile", "wav")
    assert chosen(CLIP_READERS, {})[0] == "pyav"


def test_names_are_taken_as_given() -> None:
    assert chosen(SYNTHESIZERS, {"SYNTHESIZER": "tone"}) == ("tone",)
    assert chosen(ENCODERS, {"ENCODERS": "wav, pyav"}) == ("wav", "pyav")
    with pytest.raises(ConfigurationError):
        chosen(ENCODERS, {"ENCODERS": ","})
    with pytest.raises(PluginError):
        chosen(SYNTHESIZERS, {"SYNTHESIZER": "nobody"})


R2 = {
    "R2_ACCOUNT_ID": "0123456789abcdef0123456789abcdef",
    "R2_ACCESS_KEY_ID": "0123",
    "R2_SECRET_ACCESS_KEY": "4567",
}


def test_without_credentials_voices_are_on_the_disk_and_a_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "chatterbox_api")
    nothing = {"R2_BUCKET_NAME": "voices", "R2_REGION": "weur", "R2_ACCESS_KEY_ID": "", "R2_PREFIX": "home"}
    assert chosen(VOICE_STORES, nothing) == ("local",)
    (line,) = caplog.messages
    assert "r2" in line
    assert "R2_ACCOUNT_ID" in line


def test_with_credentials_voices_are_on_r2() -> None:
    assert chosen(VOICE_STORES, R2) == ("r2",)
    assert chosen(VOICE_STORES, {**R2, "VOICE_STORE": "local"}) == ("local",)
    elsewhere = {**R2, "R2_ACCOUNT_ID": "", "R2_ENDPOINT": "https://s3.example.com"}
    assert chosen(VOICE_STORES, elsewhere) == ("r2",)


@pytest.mark.parametrize("given", [names for size in (1, 2) for names in combinations(R2, size)], ids=" ".join)
def test_some_credentials_stop_and_the_others_are_named(given: tuple[str, ...]) -> None:
    for choice in ("auto", "r2"):
        with pytest.raises(ConfigurationError) as caught:
            chosen(VOICE_STORES, {"VOICE_STORE": choice} | {name: R2[name] for name in given})
        assert all((name in str(caught.value)) == (name not in given) for name in R2)


def test_a_store_that_is_asked_for_and_not_set_up_stops() -> None:
    with pytest.raises(ConfigurationError) as caught:
        chosen(VOICE_STORES, {"VOICE_STORE": "r2"})
    assert "R2_ACCOUNT_ID" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("R2_ACCOUNT_ID", "your-account-id"),
        ("R2_ACCESS_KEY_ID", "your-access-key"),
        ("R2_SECRET_ACCESS_KEY", "your-secret-key"),
        ("R2_SECRET_ACCESS_KEY", "<secret>"),
        ("R2_ACCOUNT_ID", "too-short"),
        ("R2_REGION", "us-east-1"),
        ("R2_JURISDICTION", "uk"),
        ("R2_ENDPOINT", "s3.example.com"),
        ("R2_BUCKET_NAME", "your-bucket-name"),
    ],
)
def test_placeholders_and_impossible_values_stop(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_all({**R2, name: value})
    assert caught.value.field == name
    assert "SECRET" not in name or value not in str(caught.value)


async def test_what_was_opened_is_closed_when_a_later_part_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def watching(group: str, name: str) -> Plugin[Any]:
        plugin = load(group, name)

        @asynccontextmanager
        async def open_(env: Mapping[str, str]) -> AsyncGenerator[Any, None]:
            opened.append(name)
            try:
                async with plugin.open(env) as adapter:
                    yield adapter
            finally:
                opened.remove(name)

        return Plugin(settings=plugin.settings, state=plugin.state, open=open_)

    monkeypatch.setattr("chatterbox_api.compose.load", watching)
    with pytest.raises(ConfigurationError):
        async with compose({"SYNTHESIZER": "tone", "VOICE_STORE": "memory", "VOICE_SAMPLE_PATH": "/nowhere"}):
            pass
    assert not opened
    async with compose({"SYNTHESIZER": "tone", "VOICE_STORE": "memory"}) as service:
        assert service.speech.engine == "tone"
        assert "tone" in opened
    assert not opened
