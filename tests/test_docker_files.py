"""The container files are sound, as far as reading them tells; .ci/docker_install.sh does what they say."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # stubs for one test are too many

from chatterbox_api import settings
from chatterbox_api.environment import declared_settings
from chatterbox_api_http_litestar.hosts import Hosts

ROOT = Path(__file__).parents[1]
Stage = list[tuple[str, str]]


@pytest.fixture(scope="module")
def stages() -> dict[str, Stage]:
    """The instructions of each stage of the Dockerfile, in order."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    found: dict[str, Stage] = {}
    name = ""
    for line in filter(None, text.splitlines()):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            found[name] = [("FROM", image)]
        else:
            found[name].append((word, rest.strip()))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def values(stage: Stage, word: str) -> list[str]:
    return [rest for each, rest in stage if each == word]


def test_cpu_is_the_default(stages: dict[str, Stage]) -> None:
    assert list(stages) == ["install-cpu", "install-cuda", "cuda", "cpu"]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_the_service_is_reached_ends_well_and_is_nobody_special(stages: dict[str, Stage], target: str) -> None:
    stage = stages[target]
    env = dict(pair.split("=", 1) for line in values(stage, "ENV") for pair in shlex.split(line))
    assert (env["HOST"], env["PORT"], env["DATA_DIR"]) == ("0.0.0.0", settings.PORT.default, "/data")
    assert values(stage, "EXPOSE") == [settings.PORT.default]
    assert values(stage, "VOLUME") == ["/data"]
    assert values(stage, "STOPSIGNAL") == ["SIGTERM"]
    assert values(stage, "USER") == ["chatterbox"]
    assert json.loads(values(stage, "CMD")[0]) == ["chatterbox-api", "serve"], "without a shell, which keeps signals"
    (check,) = values(stage, "HEALTHCHECK")
    python, option, code = json.loads(check.partition("CMD ")[2])
    assert (python, option) == ("python3", "-c")
    assert "/health" in code
    compile(code, "HEALTHCHECK", "exec")


def test_both_targets_run_alike(stages: dict[str, Stage]) -> None:
    """But for what they are built on, the time that a model takes to load, and that it is asked for by name."""
    differing = {"FROM", "HEALTHCHECK", "COPY"}
    cpu, cuda = ([each for each in stages[name] if each[0] not in differing] for name in ("cpu", "cuda"))
    asked_for = ("ENV", "SYNTHESIZER=chatterbox")
    assert asked_for in cuda
    assert cpu == [each for each in cuda if "apt-get" not in each[1] and each != asked_for]


@pytest.mark.parametrize("stage", ["install-cpu", "install-cuda"])
def test_what_is_copied_is_there_and_gets_through(stages: dict[str, Stage], stage: str) -> None:
    copied = [path for line in values(stages[stage], "COPY") for path in line.split()[:-1]]
    assert {"packages", "docker", "constraints.txt", "VERSION.py"} == set(copied)
    for path in (*copied, "docker/install.sh", "packages/app/pyproject.toml"):
        assert (ROOT / path).exists(), path
        assert not is_ignored(path), path
    (install,) = [line for line in values(stages[stage], "RUN") if "docker/" in line]
    assert os.access(ROOT / install.split()[0], os.X_OK)


def test_secrets_and_clutter_get_into_no_image() -> None:
    for path in (
        ".env",
        ".git/config",
        "tests/test_docker_files.py",
        "packages/core/src/a/__pycache__/x.pyc",
        "me.wav",
    ):
        assert is_ignored(path), path


def is_ignored(path: str) -> bool:
    """As .dockerignore has it: the last line that fits the path or a folder above it decides."""
    ignored = False
    parts = path.split("/")
    above = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            anywhere = pattern.removeprefix("**/")
            names = parts if pattern != anywhere else above
            if any(fnmatch.fnmatchcase(name, anywhere) for name in names):
                ignored = not line.startswith("!")
    return ignored


@pytest.mark.parametrize("name", ["chatterbox-api", "cuda"])
def test_compose_answers_to_the_names_it_is_reached_by(compose: dict[str, Any], name: str) -> None:
    """The container listens on all its addresses, where any name would do without this."""
    value = compose["services"][name]["environment"]["ALLOWED_HOSTS"]
    match = re.fullmatch(r"\$\{ALLOWED_HOSTS:-(.*)\}", value)
    assert match is not None, "what .env says, else the default"
    hosts = Hosts(settings.ALLOWED_HOSTS.read({"ALLOWED_HOSTS": match[1]}))
    for reached in ("localhost:4123", "127.0.0.1:4123", "host.docker.internal:4123", *compose["services"]):
        assert hosts.allow(reached), reached
    for foreign in ("evil.example", "192.168.1.5:4123", ""):
        assert not hosts.allow(foreign), foreign


def test_compose_runs_both_targets(compose: dict[str, Any], stages: dict[str, Stage]) -> None:
    services = compose["services"]
    assert {name: service["build"]["target"] for name, service in services.items()} == {
        "chatterbox-api": "cpu",
        "cuda": "cuda",
    }
    assert services["cuda"]["profiles"] == ["cuda"]
    assert "profiles" not in services["chatterbox-api"]
    (device,) = services["cuda"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


@pytest.mark.parametrize("name", ["chatterbox-api", "cuda"])
def test_compose_keeps_data_opens_no_network_and_waits_for_streams(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["ports"] == ["${HOST:-127.0.0.1}:${PORT:-4123}:4123"]
    assert service["volumes"] == ["data:/data"]
    assert "data" in compose["volumes"]
    assert service["env_file"] == [{"path": ".env", "required": False}]
    assert set(service["environment"]) <= {setting.name for setting in declared_settings()}
    assert service["environment"]["DATA_DIR"] == "/data"
    assert service["environment"]["VOICE_LIBRARY_DIR"].startswith("/data/")
    drain_s = float(settings.DRAIN_NOTICE_S.default) + float(settings.DRAIN_S.default)
    assert float(service["stop_grace_period"].removesuffix("s")) > drain_s
