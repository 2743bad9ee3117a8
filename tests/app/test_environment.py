"""Settings from the environment and `.env`, and names that nobody reads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from chatterbox_api import settings
from chatterbox_api.environment import check_all, declared_settings, read_environment
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.settings import path


@pytest.fixture
def env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".env"


def test_the_environment_wins_over_the_file(env_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env_file.write_text("PORT=5000\nHOST=0.0.0.0 # comment\nVOICE_SAMPLE_PATH='a b.wav'\n")
    monkeypatch.setenv("PORT", "6000")
    env = read_environment()
    assert settings.PORT.read(env) == 6000
    assert settings.HOST.read(env) == "0.0.0.0"
    assert settings.VOICE_SAMPLE_PATH.read(env) == Path("a b.wav")


def test_no_file_is_fine_a_named_one_must_exist(env_file: Path) -> None:
    assert settings.PORT.read(read_environment()) == 4123
    with pytest.raises(ConfigurationError):
        read_environment(Path("other.env"))


def test_a_file_in_another_encoding_is_said(env_file: Path) -> None:
    env_file.write_bytes("NAME=Jürgen\n".encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        read_environment()
    assert "UTF-8" in str(caught.value)


@pytest.mark.parametrize("line", ["R2_ACCOUNT_ID: x", "R2_ACCOUNT_ID x", "R2_ACCOUNT_ID='x"])
def test_a_line_that_is_not_understood_stops_the_start(env_file: Path, line: str) -> None:
    env_file.write_text(f"PORT=5000\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        read_environment()
    assert ".env, line 2:" in str(caught.value)
    assert "R2_ACCOUNT_ID" in str(caught.value)


def test_a_link_that_leads_nowhere_is_no_missing_file(env_file: Path) -> None:
    """A secret that was not mounted would be a setting that is not set."""
    env_file.symlink_to("/nowhere/secrets.env")
    with pytest.raises(ConfigurationError):
        read_environment()
    env_file.unlink()
    env_file.mkdir()  # as some name their virtual environment
    assert settings.PORT.read(read_environment()) == 4123


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("SYNTHESISER", "SYNTHESIZER"),
        ("ENCODER", "ENCODERS"),
        ("VOICE_STORES", "VOICE_STORE"),
        ("DRAIN_NOTICES", "DRAIN_NOTICE_S"),
        ("PORTS", "PORT"),
    ],
)
@pytest.mark.parametrize("in_file", [True, False])
def test_a_misspelled_name_stops_the_start(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, near: str, in_file: bool
) -> None:
    if in_file:
        env_file.write_text(f"{name}=x\n")
    else:
        monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError) as caught:
        read_environment()
    assert caught.value.field == name
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("name", "near"), [("port", "PORT"), ("Voice_Store", "VOICE_STORE"), ("data_dirs", "DATA_DIR")]
)
def test_a_name_in_another_case_stops_the_start_in_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, near: str
) -> None:
    """In the environment, it may be anyone's."""
    monkeypatch.setenv(name, "x")
    assert read_environment()[name] == "x"
    env_file.write_text(f"{name}=x\n")
    with pytest.raises(ConfigurationError) as caught:
        read_environment()
    assert f"Did you mean {near}?" in str(caught.value)


@pytest.mark.parametrize("name", ["CHATTERBOX_TOKEN", "ESPEAK_VOLUME", "TONE_HZ"])
def test_unknown_names_within_our_prefixes_stop_the_start(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError):
        read_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, "x") for name in ("HOME", "HOSTNAME", "PATH", "LANG", "SHELL")),
        ("CHATTERBOX_API_PORT", "tcp://10.0.0.1:4123"),
        ("CHATTERBOX_API_PORT_4123_TCP_ADDR", "10.0.0.1"),
        ("CHATTERBOX_API_SERVICE_HOST", "10.0.0.1"),
        ("CHATTERBOX_API_SERVICE_PORT_HTTP", "4123"),
    ],
)
def test_names_of_others_are_left_alone(env_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Those of every shell, and what Kubernetes tells about services."""
    monkeypatch.setenv(name, value)
    assert read_environment()[name] == value


def test_foreign_names_in_the_file_warn_once(env_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    env_file.write_text("POSTGRES_PASSWORD=hunter2\nREDIS_URL=x\nPORT=5000\n")
    with caplog.at_level(logging.WARNING):
        read_environment()
    assert [record.message for record in caplog.records] == [
        ".env has names that nobody here reads: POSTGRES_PASSWORD, REDIS_URL"
    ]


def test_every_path_begins_at_home_with_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    paths = {setting.name for setting in declared_settings() if setting.parse is path}
    assert paths >= {"DATA_DIR", "VOICE_LIBRARY_DIR", "VOICE_SAMPLE_PATH", "CHATTERBOX_MODEL_DIR", "ESPEAK_DATA_PATH"}
    assert not {each.name for each in declared_settings() if each.name.endswith(("_DIR", "_PATH"))} - paths
    for setting in declared_settings():
        if setting.name in paths:
            assert setting.read({setting.name: "~/x"}) == Path("/home/me/x")


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_words_of_settings_are_taken_in_any_case(spell: Callable[[str], str]) -> None:
    declared = {setting.name: setting for setting in declared_settings()}
    for name, words in {
        "LOG_LEVEL": ("debug", "warning"),
        "CHATTERBOX_PRELOAD": ("yes", "no", "true", "false", "on", "off"),
        "CHATTERBOX_MODEL": ("original", "turbo"),
        "CHATTERBOX_DEVICE": ("auto", "cpu"),
        "R2_JURISDICTION": ("none", "eu"),
        "R2_REGION": ("auto", "weur"),
        "WATERMARK_DETECTOR": ("auto", "none"),
        "SYNTHESIZER": ("auto",),
    }.items():
        for word in words:
            assert declared[name].read({name: spell(word)}) == declared[name].read({name: word})


def test_every_declared_setting_is_valid_by_default_and_described() -> None:
    check_all({})
    declared = declared_settings()
    assert {"PORT", "ESPEAK_PROCESSES", "TONE_PACE"} <= {setting.name for setting in declared}
    for setting in declared:
        assert setting.name.isupper()
        assert setting.help.endswith("."), setting.name
