"""Small models, written once for a run, and loaded once for all tests of this process."""

from __future__ import annotations

import os

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TQDM_DISABLE="1", OMP_NUM_THREADS="1")

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import chatterbox  # noqa: F401
    import torch

from support.tiny_chatterbox import shrink, write_weights

from chatterbox_api_synth_chatterbox.engine import Engine
from chatterbox_api_synth_chatterbox.loading import load_engine
from chatterbox_api_synth_chatterbox.models import MODELS

ENDS_AT = 40
"""The token at which the small models end their speech: 1.6 s."""


@pytest.fixture(scope="session", autouse=True)
def _small() -> None:
    """Upstream's classes make small models in this process."""
    torch.set_num_threads(1)
    shrink()


@pytest.fixture(scope="session")
def weights(_small: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders original, multilingual and turbo of models that end after 1.6 s."""
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
