"""Adapters are chosen by name, or by `auto` in a fixed order; what is half set up stops the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from chatterbox_api.adapter_selection import AUTO_ORDER, select_adapters
from chatterbox_api.compose import compose
from chatterbox_api.environment import check_all
from chatterbox_api_core.errors import ConfigurationError, PluginError
from chatterbox_api_core.plugins import (
    CLIP_READERS,
    ENCODERS,
    GROUPS,
    SYNTHESIZERS,
    VOICE_STORES,
    WATERMARK_DETECTORS,
    Absent,
    Incomplete,
    OnRequest,
    Plugin,
    Ready,
    State,
    installed,
    load,
)


def test_auto_takes_the_first_that_is_set_up() -> None:
    assert select_adapters(SYNTHESIZERS, {})[0] == "espeak"
    assert select_adapters(VOICE_STORES, {})[0] == "local"
    assert select_adapters(ENCODERS, {}) == ("pyav", "soundfile", "wav")
    assert select_adapters(CLIP_READERS, {})[0] == "pyav"


def test_names_are_taken_as_given() -> None:
    assert select_adapters(SYNTHESIZERS, {"SYNTHESIZER": "tone"}) == ("tone",)
    assert select_adapters(ENCODERS, {"ENCODERS": "wav, pyav"}) == ("wav", "pyav")
    with pytest.raises(ConfigurationError):
        select_adapters(ENCODERS, {"ENCODERS": ","})
    with pytest.raises(PluginError):
        select_adapters(SYNTHESIZERS, {"SYNTHESIZER": "nobody"})


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_names_are_taken_in_any_case(spell: Callable[[str], str]) -> None:
    assert select_adapters(SYNTHESIZERS, {"SYNTHESIZER": spell("espeak")}) == ("espeak",)
    assert select_adapters(SYNTHESIZERS, {"SYNTHESIZER": spell("auto")}) == ("espeak",)
    assert select_adapters(VOICE_STORES, {"VOICE_STORE": spell("memory")}) == ("memory",)
    assert select_adapters(VOICE_STORES, {"VOICE_STORE": spell("r2"), **R2}) == ("r2",)
    assert select_adapters(ENCODERS, {"ENCODERS": f"{spell('wav')} ,  {spell('pyav')}"}) == ("wav", "pyav")


def test_auto_may_stand_beside_names() -> None:
    assert select_adapters(ENCODERS, {"ENCODERS": "wav, auto"}) == ("wav", "pyav", "soundfile")
    assert select_adapters(ENCODERS, {"ENCODERS": "Auto, wav"}) == ("pyav", "soundfile", "wav")


R2 = {
    "R2_ACCOUNT_ID": "0123456789abcdef0123456789abcdef",
    "R2_ACCESS_KEY_ID": "0123",
    "R2_SECRET_ACCESS_KEY": "4567",
}


def test_without_credentials_voices_are_on_the_disk_and_a_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "chatterbox_api")
    nothing = {"R2_BUCKET_NAME": "voices", "R2_REGION": "weur", "R2_ACCESS_KEY_ID": "", "R2_PREFIX": "home"}
    assert select_adapters(VOICE_STORES, nothing) == ("local",)
    (line,) = caplog.messages
    assert "r2" in line
    assert "R2_ACCOUNT_ID" in line


def test_with_credentials_voices_are_on_r2() -> None:
    assert select_adapters(VOICE_STORES, R2) == ("r2",)
    assert select_adapters(VOICE_STORES, {**R2, "VOICE_STORE": "local"}) == ("local",)
    elsewhere = {**R2, "R2_ACCOUNT_ID": "", "R2_ENDPOINT": "https://s3.example.com"}
    assert select_adapters(VOICE_STORES, elsewhere) == ("r2",)


@pytest.mark.parametrize("given", [names for size in (1, 2) for names in combinations(R2, size)], ids=" ".join)
def test_some_credentials_stop_and_the_others_are_named(given: tuple[str, ...]) -> None:
    for choice in ("auto", "r2"):
        with pytest.raises(ConfigurationError) as caught:
            select_adapters(VOICE_STORES, {"VOICE_STORE": choice} | {name: R2[name] for name in given})
        assert all((name in str(caught.value)) == (name not in given) for name in R2)


def test_a_store_that_is_asked_for_and_not_set_up_stops() -> None:
    with pytest.raises(ConfigurationError) as caught:
        select_adapters(VOICE_STORES, {"VOICE_STORE": "r2"})
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
        ("R2_BUCKET_NAME", "your-bucket-name"),
    ],
)
def test_placeholders_and_impossible_values_stop(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_all({**R2, name: value})
    assert caught.value.field == name
    assert "SECRET" not in name or value not in str(caught.value)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, State]:
    """States by the names of adapters; what is put here counts instead of the adapter's own."""
    given: dict[str, State] = {}

    def with_state(group: str, name: str) -> Plugin[Any]:
        plugin = load(group, name)
        return replace(plugin, state=lambda env: given[name]) if name in given else plugin

    monkeypatch.setattr("chatterbox_api.adapter_selection.load", with_state)
    return given


def test_auto_passes_by_what_is_to_be_asked_for_and_says_why(
    states: dict[str, State], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chatterbox_api")
    states["chatterbox"] = OnRequest("it would fetch 3.2 GB of weights")
    assert select_adapters(SYNTHESIZERS, {}) == ("espeak",)
    assert caplog.messages == ["chatterbox is passed by: it would fetch 3.2 GB of weights"]
    assert select_adapters(SYNTHESIZERS, {"SYNTHESIZER": "chatterbox"}) == ("chatterbox",)
    states["chatterbox"] = Ready()
    assert select_adapters(SYNTHESIZERS, {}) == ("chatterbox",)


def test_where_nothing_is_left_each_reason_is_told(states: dict[str, State]) -> None:
    states |= {"chatterbox": OnRequest("it would fetch weights"), "espeak": Absent("it has lost its voice")}
    with pytest.raises(ConfigurationError) as caught:
        select_adapters(SYNTHESIZERS, {})
    told = str(caught.value)
    assert "(chatterbox: it would fetch weights; espeak: it has lost its voice)" in told
    assert caught.value.field == "SYNTHESIZER"


@pytest.mark.parametrize(
    ("missing", "field", "words"),
    [
        (("ESPEAK_DATA_PATH",), "ESPEAK_DATA_PATH", ("ESPEAK_DATA_PATH is missing", "Set what is missing")),
        (("a folder", "ESPEAK_DATA_PATH"), "ESPEAK_DATA_PATH", ("are missing", "Put what is missing there")),
        (("the package chatterbox-tts",), None, ("the package chatterbox-tts is missing", "Put what is missing there")),
    ],
)
def test_the_field_of_what_is_half_set_up_is_a_setting_or_none(
    states: dict[str, State], missing: tuple[str, ...], field: str | None, words: tuple[str, ...]
) -> None:
    states |= {"chatterbox": Absent("not wanted"), "espeak": Incomplete(missing)}
    with pytest.raises(ConfigurationError) as caught:
        select_adapters(SYNTHESIZERS, {})
    assert caught.value.field == field
    assert all(word in str(caught.value) for word in words)


def test_each_group_has_a_setting_and_an_order() -> None:
    assert set(AUTO_ORDER) == set(GROUPS)
    for group, names in AUTO_ORDER.items():
        assert {entry.name for entry in installed(group)} >= set(names)


QUIET = {"SYNTHESIZER": "tone", "VOICE_STORE": "memory"}


async def test_a_detector_of_watermarks_is_taken_where_it_is_set_up(states: dict[str, State]) -> None:
    states["perth"] = Ready()
    assert select_adapters(WATERMARK_DETECTORS, {}) == ("perth",)
    for value in ("", "auto", "perth"):
        async with compose({**QUIET, "WATERMARK_DETECTOR": value}) as service:
            assert service.watermarks is not None
    async with compose({**QUIET, "WATERMARK_DETECTOR": "none"}) as service:
        assert service.watermarks is None


async def test_without_a_detector_a_service_speaks_unless_one_is_asked_for(states: dict[str, State]) -> None:
    states["perth"] = Absent("resemble-perth is not installed")
    async with compose(QUIET) as service:
        assert service.watermarks is None
    for name, error in (("perth", ConfigurationError), ("nobody", PluginError)):
        with pytest.raises(error, match=name):
            async with compose({**QUIET, "WATERMARK_DETECTOR": name}):
                pass
    states["perth"] = Incomplete(("half of it",))
    with pytest.raises(ConfigurationError, match="half of it is missing"):
        async with compose(QUIET):
            pass


@pytest.mark.parametrize(("content", "reason"), [(None, "No such file or directory."), (b"text", "")])
async def test_a_sample_that_cannot_serve_is_told_in_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, reason: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    if content is not None:
        (tmp_path / "me.wav").write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        async with compose({**QUIET, "VOICE_SAMPLE_PATH": "~/me.wav"}):
            pass
    assert caught.value.message.startswith(f"VOICE_SAMPLE_PATH={tmp_path}/me.wav cannot be used: {reason}")
    assert caught.value.message.endswith(".")
    assert str(caught.value).endswith(". Name a recording, or remove it.")


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


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (None, "it took more than 0.1 s"),
        (RuntimeError("no such device"), "RuntimeError: no such device"),
        (StopIteration(), "StopIteration"),
        (TimeoutError(), "TimeoutError"),
        (ImportError("no module named acme"), "no module named acme"),
    ],
)
async def test_an_adapter_that_fails_or_hangs_while_it_opens_stops_the_start(
    failure: Exception | None, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "chatterbox_api")

    @asynccontextmanager
    async def open_it(env: Mapping[str, str]) -> AsyncGenerator[Any, None]:
        if failure is not None:
            raise failure
        await asyncio.sleep(60)
        yield

    def broken(group: str, name: str) -> Plugin[Any]:
        plugin = load(group, name)
        return replace(plugin, open=open_it) if name == "tone" else plugin

    monkeypatch.setattr("chatterbox_api.compose.load", broken)
    monkeypatch.setattr("chatterbox_api.compose._OPEN_S", 0.1)
    monkeypatch.setattr("chatterbox_api.compose._NOTICE_S", 0.01)
    with pytest.raises(PluginError, match="'tone' cannot be opened") as caught:
        async with compose({**QUIET, "CLIP_READER": "wav", "ENCODERS": "wav"}):
            pass
    assert words in str(caught.value)
    assert bool(caplog.messages) == (failure is None), "a long wait is told while it lasts"
