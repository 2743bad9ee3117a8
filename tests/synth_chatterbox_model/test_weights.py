"""Weights are found in the Hub's cache or fetched; the network alone is played by stand-ins."""

from __future__ import annotations

import errno
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import huggingface_hub
import pytest
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, Unavailable
from chatterbox_api_synth_chatterbox import weights
from chatterbox_api_synth_chatterbox.models import MODELS

MB = 1_000_000
LISTED = {
    "ve.pt": 6 * MB,
    "t3_mtl23ls_v2.safetensors": 2144 * MB,
    "t3_mtl23ls_v3.safetensors": 2144 * MB,
    "s3gen.pt": 1057 * MB,
    "grapheme_mtl_merged_expanded_v1.json": MB // 10,
    "conds.pt": MB // 10,
    "Cangjie5_TC.json": 2 * MB,
    "README.md": 1,
}


class Hub:
    """Lists files, and puts empty ones into a folder; calls a bar's `update` on the way as the Hub's client does."""

    def __init__(self, folder: Path, listed: dict[str, int]) -> None:
        self.folder, self.listed = folder, listed
        self.fetched: list[str] = []
        self.chunks: Callable[[str], None] = lambda _: None
        self.failure: Exception | None = None

    def model_info(self, repository: str, **_: Any) -> Any:
        self.fail()
        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=n, size=s) for n, s in self.listed.items()])

    def download(self, repo_id: str, filename: str, *, tqdm_class: type[Any] | None = None) -> str:
        self.fail()
        self.fetched.append(filename)
        if tqdm_class is not None:
            with tqdm_class(desc=filename, total=self.listed[filename], initial=0, unit="B", unit_scale=True) as bar:
                for _ in range(10):
                    self.chunks(filename)
                    bar.update(self.listed[filename] // 10)
                    bar.set_postfix_str("10 MB/s", refresh=False)
        (self.folder / filename).touch()
        return str(self.folder / filename)

    def fail(self) -> None:
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tmp_path, dict(LISTED))
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda _, *args, **kwargs: hub.model_info(*args, **kwargs))
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    return hub


def failure(hub: Hub, error: Exception) -> ChatterboxError:
    hub.failure = error
    with pytest.raises(ChatterboxError) as caught:
        weights.download(MODELS["multilingual"], lambda _: None)
    assert "\n" not in str(caught.value)
    assert caught.value.code == "weights_missing"
    assert caught.value.remedy
    return caught.value


def test_what_a_model_needs_is_fetched_and_nothing_else(hub: Hub) -> None:
    lines: list[str] = []
    assert weights.download(MODELS["multilingual"], lines.append) == hub.folder
    assert set(hub.fetched) == LISTED.keys() - {"README.md", "t3_mtl23ls_v3.safetensors"}
    assert hub.fetched[:2] == ["conds.pt", "Cangjie5_TC.json"], "a download that broke off here would count as whole"
    assert lines[2] == "downloading ve.pt, 6 MB, 0 % done"
    assert lines[4] == "downloading s3gen.pt, 1057 MB, 67 % done"
    assert weights.missing_files(MODELS["multilingual"], hub.folder) == ()


def test_the_third_version_is_taken_where_the_second_is_gone(hub: Hub) -> None:
    del hub.listed["t3_mtl23ls_v2.safetensors"]
    weights.download(MODELS["multilingual"], lambda _: None)
    assert "t3_mtl23ls_v3.safetensors" in hub.fetched


def test_what_it_can_do_without_is_not_missed(hub: Hub) -> None:
    del hub.listed["conds.pt"], hub.listed["Cangjie5_TC.json"]
    weights.download(MODELS["multilingual"], lambda _: None)
    assert "conds.pt" not in hub.fetched


def test_a_long_file_is_told_of_every_few_seconds(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who watches the loading would take a silence for a hang."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def take_2_s(_: str) -> None:
        clock[0] += 2.0

    hub.chunks = take_2_s
    lines: list[tuple[float, str]] = []
    weights.download(MODELS["multilingual"], lambda line: lines.append((clock[0], line)))
    assert max(after - before for (before, _), (after, _) in itertools.pairwise(lines)) <= 4.0
    of_t3 = [line for _, line in lines if "t3_mtl23ls_v2" in line]
    assert of_t3[0] == "downloading t3_mtl23ls_v2.safetensors, 2144 MB, 0 % done"
    assert of_t3[1] == "downloading t3_mtl23ls_v2.safetensors, 429 MB received, 13 % done"
    assert of_t3[-1] == "downloading t3_mtl23ls_v2.safetensors, 2144 MB received, 67 % done"


def test_a_quick_file_is_told_of_once(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    lines: list[str] = []
    weights.download(MODELS["multilingual"], lines.append)
    assert len(lines) == len(hub.fetched)


def test_an_older_client_that_takes_no_bar_is_not_given_one(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo_id, filename: hub.download(repo_id, filename))
    assert weights.download(MODELS["multilingual"], lambda _: None) == hub.folder


def response(status: int) -> httpx.Response:
    return httpx.Response(status, request=httpx.Request("GET", "http://127.0.0.1/"))


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no route to host"),
        httpx.ReadTimeout("timed out"),
        ConnectionResetError("reset"),
        TimeoutError("timed out"),
        OfflineModeIsEnabled("offline"),
        LocalEntryNotFoundError("not in the cache, and no network"),
        HfHubHTTPError("503", response=response(503)),
        RuntimeError("Data processing error: of xet"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_network_is_said_in_one_sentence(hub: Hub, error: Exception) -> None:
    found = failure(hub, error)
    assert isinstance(found, Unavailable)
    assert found.message.endswith(f"the Hugging Face Hub cannot be reached ({type(error).__name__}).")
    assert "CHATTERBOX_MODEL_DIR" in (found.remedy or "")


@pytest.mark.parametrize(
    "error",
    [
        RepositoryNotFoundError("404", response=response(404)),
        GatedRepoError("403", response=response(403)),
        EntryNotFoundError("404"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_the_hub_does_not_have_is_not_asked_for_again(hub: Hub, error: Exception) -> None:
    found = failure(hub, error)
    assert isinstance(found, ConfigurationError)
    assert "HF_TOKEN" in (found.remedy or "")


def test_a_full_disk_is_not_taken_for_a_missing_network(hub: Hub) -> None:
    found = failure(hub, OSError(errno.ENOSPC, "No space left on device"))
    assert isinstance(found, ConfigurationError)
    assert found.message == "The weights of Chatterbox Multilingual cannot be written to disk: No space left on device."
    assert "3.2 GB" in (found.remedy or "")


def test_a_file_that_did_not_come_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda _, filename: str(hub.folder / filename))
    with pytest.raises(Unavailable, match=r"ve\.pt, .* did not arrive"):
        weights.download(MODELS["multilingual"], lambda _: None)


def cached(root: Path, repository: str, files: set[str]) -> Path:
    """The Hub's cache, as its client lays it out."""
    repo = root / f"models--{repository.replace('/', '--')}"
    snapshot = repo / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("a" * 40)
    for name in files:
        (snapshot / name).touch()
    return snapshot


def test_the_hubs_cache_is_used_when_it_has_the_whole_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    model = MODELS["turbo"]
    assert weights.cached_folder(model) is None
    names = {str(name) for name in model.files}
    snapshot = cached(tmp_path, model.repository, names)
    assert weights.cached_folder(model) == snapshot
    (snapshot / "t3_turbo_v1.safetensors").unlink()
    assert weights.cached_folder(model) is None
