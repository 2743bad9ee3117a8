"""What tests of several packages share."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator

import pytest
from support.effort import use_profile
from support.machine import worker_count
from support.s3_servers import S3Server, local_r2, moto

# These need torch and the real model's classes: `hatch run chatterbox:test` has them.
WITH_MODEL = ["synth_chatterbox_model", "conformance/test_synth_chatterbox.py"]

collect_ignore = [] if any(importlib.metadata.distributions(name="chatterbox-tts")) else WITH_MODEL

use_profile()

SERVERS = ["moto"] if local_r2() is None else ["r2"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return worker_count(config.args)


@pytest.fixture(scope="session")
def moto_server() -> Generator[S3Server, None, None]:
    with moto() as server:
        yield server


@pytest.fixture(scope="session", params=SERVERS)
def s3_server(request: pytest.FixtureRequest) -> S3Server:
    """moto, or Cloudflare's own local R2 where `scripts/local_r2.py` has started it."""
    if request.param == "r2" and (local := local_r2()) is not None:
        return local
    found: S3Server = request.getfixturevalue("moto_server")
    return found
