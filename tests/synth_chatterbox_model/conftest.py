"""Small models, written once for a run, and loaded once for all tests of this process."""

from __future__ import annotations

import os

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TQDM_DISABLE="1", OMP_NUM_THREADS="1")

import copy
import math
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import chatterbox  # noqa: F401
    import torch

from support.tiny_chatterbox import shrink, write_weights

from chatterbox_api_synth_chatterbox.child.engine import Engine
from chatterbox_api_synth_chatterbox.child.loading import load_engine
from chatterbox_api_synth_chatterbox.models import MODELS

ENDS_AT = 12
"""The token at which the small models want to end their speech."""


@pytest.fixture(scope="session", autouse=True)
def _small() -> None:
    """Upstream's classes make small models in this process."""
    torch.set_num_threads(1)
    shrink()


@pytest.fixture(scope="session")
def weights(_small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders original, multilingual and turbo of models that end after half a second or so."""
    folder = tmp_path_factory.mktemp("weights")
    write_weights(folder, ends_at=ENDS_AT)
    return folder


@pytest.fixture(scope="session")
def endless_weights(_small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for models that never end, and choose among many tokens."""
    folder = tmp_path_factory.mktemp("endless")
    write_weights(folder, peak=1.5)
    return folder


def _loader(folder: Path) -> Callable[[str], Engine]:
    return cache(lambda name: load_engine(MODELS[name], folder=str(folder / name), device="cpu", report=lambda _: None))


@pytest.fixture(scope="session")
def engines(weights: Path) -> Callable[[str], Engine]:
    return _loader(weights)


@pytest.fixture(scope="session")
def endless_engines(endless_weights: Path) -> Callable[[str], Engine]:
    return _loader(endless_weights)


@pytest.fixture(scope="session")
def upstreams(engines: Callable[[str], Engine]) -> Callable[[str], Any]:
    """Upstream's own object with the same weights, for its `generate`, which leaves traces in what it runs."""
    return cache(lambda name: copy.deepcopy(engines(name).tts))


@pytest.fixture(scope="session")
def endless_t3s(endless_engines: Callable[[str], Engine]) -> Callable[[str], Any]:
    """T3 alone of the endless models, for upstream's `inference`."""
    return cache(lambda name: copy.deepcopy(endless_engines(name).tts.t3))


@pytest.fixture(params=list(MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def engine(engines: Callable[[str], Engine], model_name: str) -> Engine:
    return engines(model_name)


@pytest.fixture
def endless(endless_engines: Callable[[str], Engine], model_name: str) -> Engine:
    return endless_engines(model_name)


@pytest.fixture
def upstream(upstreams: Callable[[str], Any], model_name: str) -> Any:
    return upstreams(model_name)


@pytest.fixture(scope="session")
def clip() -> Callable[..., torch.Tensor]:
    """Makes a clip of a buzz and some noise, of shape (n,)."""

    def make(hz: float = 150.0, duration_s: float = 6.0, sample_rate_hz: int = 24_000) -> torch.Tensor:
        at_s = torch.arange(round(duration_s * sample_rate_hz)) / sample_rate_hz
        buzz = sum(torch.sin(2 * math.pi * hz * k * at_s) / k for k in range(1, 9))
        chance = torch.Generator().manual_seed(round(hz))
        return torch.as_tensor(0.1 * buzz + 0.02 * torch.randn(len(at_s), generator=chance)).float()

    return make


@pytest.fixture
def hooks() -> Callable[[Engine], int]:
    """Counts the hooks on all modules of an engine."""

    def count(engine: Engine) -> int:
        tts = engine.tts
        roots = (tts.t3, tts.s3gen, tts.ve, tts.watermarker.perth_net)
        modules = [module for root in roots for module in root.modules()]
        return sum(len(vars(module)[kind]) for module in modules for kind in ("_forward_hooks", "_forward_pre_hooks"))

    return count
