"""A folder becomes a model, or one sentence says why not; nothing is asked of the network for it."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import chatterbox.models.tokenizers.tokenizer as tokenizers
import huggingface_hub
import pytest
import safetensors.torch
import torch
from chatterbox import mtl_tts, tts, tts_turbo

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, Unavailable
from chatterbox_api_synth_chatterbox.child import loading
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.models import MODELS

T3_FILES: Final = {
    "original": "t3_cfg.safetensors",
    "multilingual": "t3_mtl23ls_v2.safetensors",
    "turbo": "t3_turbo_v1.safetensors",
}
REQUIRED: Final = [
    (name, files if isinstance(files, str) else files[0]) for name, model in MODELS.items() for files in model.files
]


def patched() -> tuple[Any, ...]:
    """All that is put in the place of upstream's while a model is loaded."""
    converter = tokenizers.ChineseCangjieConverter
    return (
        tts.load_file,
        tts_turbo.load_file,
        mtl_tts.load_safetensors,
        torch.load,
        tokenizers.hf_hub_download,
        vars(converter)["_init_segmenter"],
    )


UPSTREAMS_OWN: Final = patched()


def load(name: str, folder: Path, *, device: str = "cpu", report: Callable[[str], None] = lambda _: None) -> Engine:
    try:
        return loading.load_engine(MODELS[name], folder=str(folder), device=device, report=report)
    finally:
        assert patched() == UPSTREAMS_OWN, "what was replaced is back, whatever happened"


def refused(name: str, folder: Path, **others: Any) -> ChatterboxError:
    with pytest.raises(ChatterboxError) as caught:
        load(name, folder, **others)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def folder(weights: Path, tmp_path: Path, model_name: str) -> Path:
    """A copy of a model's folder, of links: replace files, do not write into them."""
    for file in (weights / model_name).iterdir():
        (tmp_path / file.name).symlink_to(file)
    return tmp_path


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every function that would ask the Hub fails, and is written down."""
    asked: list[str] = []
    for module in (huggingface_hub, huggingface_hub.file_download, tts, tts_turbo, mtl_tts, tokenizers):
        for name in ("hf_hub_download", "snapshot_download", "_get_metadata_or_catch_error"):
            if hasattr(module, name):

                def fail(*args: object, asking: str = f"{module.__name__}.{name}", **kwargs: object) -> None:
                    asked.append(asking)
                    raise ConnectionError(asking)

                monkeypatch.setattr(module, name, fail)
    monkeypatch.setattr(sys.modules[__name__], "UPSTREAMS_OWN", patched())
    return asked


def test_a_folder_is_enough_and_the_hub_is_not_asked(folder: Path, model_name: str, no_hub: list[str]) -> None:
    engine = load(model_name, folder)
    assert len(engine.speak(Request("Hello.", 1), None, lambda: None).samples)
    assert no_hub == []


def test_progress_is_told_file_by_file(folder: Path, model_name: str) -> None:
    (folder / "another model.safetensors").write_bytes(bytes(10_000_000))
    lines: list[str] = []
    load(model_name, folder, report=lines.append)
    assert lines[0] == "importing torch and chatterbox-tts"
    loads = [line.removeprefix("loading ").split(", ") for line in lines[1:]]
    files = [name for name, _ in loads]
    assert files[0].startswith("ve.")
    assert files[-1] == "conds.pt"
    assert T3_FILES[model_name] in files
    shares = [int(share.removesuffix(" % done")) for _, share in loads]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 90 < shares[-1] < 100, "other models' files do not count"


@pytest.mark.parametrize(("model_name", "missing"), REQUIRED)
def test_each_missing_file_is_named(folder: Path, model_name: str, missing: str) -> None:
    (folder / missing).unlink()
    error = refused(model_name, folder)
    assert isinstance(error, ConfigurationError)
    assert (error.code, error.field) == ("weights_missing", "CHATTERBOX_MODEL_DIR")
    assert f"lacks {missing}." in error.message


@pytest.mark.parametrize("model_name", ["original"])
def test_what_is_no_folder_is_named(folder: Path, model_name: str) -> None:
    for wrong in (folder / "nowhere", folder / "tokenizer.json"):
        error = refused(model_name, wrong)
        assert error.message == f"CHATTERBOX_MODEL_DIR={wrong} is not a folder."


@pytest.mark.parametrize("model_name", ["original"])
def test_a_truncated_file_is_a_broken_one(folder: Path, model_name: str) -> None:
    file = folder / T3_FILES[model_name]
    whole = file.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:5], b"", b"<html>not the file</html>"):
        file.unlink()
        file.write_bytes(data)
        error = refused(model_name, folder)
        assert isinstance(error, ConfigurationError)
        assert error.code == "weights_broken"


@pytest.mark.parametrize("model_name", ["multilingual"])
@pytest.mark.parametrize("name", ["ve.pt", "conds.pt", "grapheme_mtl_merged_expanded_v1.json"])
def test_any_broken_file_is_an_error_of_ours(folder: Path, model_name: str, name: str) -> None:
    (folder / name).unlink()
    (folder / name).write_bytes(b"PK\x03\x04 no more than that")
    assert refused(model_name, folder).code == "weights_broken"


def test_weights_of_another_size_are_named_in_one_line(folder: Path, model_name: str) -> None:
    file = folder / T3_FILES[model_name]
    state = safetensors.torch.load_file(file)
    state["speech_head.weight"] = state["speech_head.weight"][:100].clone()
    file.unlink()
    safetensors.torch.save_file(state, file)
    error = refused(model_name, folder)
    assert error.code == "weights_broken"
    assert "size mismatch for speech_head.weight" in error.message


@pytest.mark.parametrize("model_name", ["original"])
def test_without_its_own_voice_a_model_can_still_clone(
    folder: Path, model_name: str, clip: Callable[..., torch.Tensor]
) -> None:
    (folder / "conds.pt").unlink()
    engine = load(model_name, folder)
    voice = engine.prepare(clip(), 24_000)
    assert len(engine.speak(Request("Hello.", 1), voice, lambda: None).samples)
    with pytest.raises(ConfigurationError, match="no built-in voice"):
        engine.speak(Request("Hello.", 1), None, lambda: None)


@pytest.mark.parametrize("model_name", ["original"])
def test_without_a_watermark_nothing_is_loaded(folder: Path, model_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perth.PerthImplicitWatermarker", None)
    error = refused(model_name, folder)
    assert error.code == "watermark_missing"
    assert "setuptools<81" in (error.remedy or "")


@pytest.mark.parametrize("missing", ["chatterbox.mtl_tts", "perth"])
def test_what_is_not_installed_is_said(weights: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    error = refused("multilingual", weights / "multilingual")
    assert error.code == "model_not_installed"
    assert "hatch run chatterbox:serve" in (error.remedy or "")


def test_too_little_memory_is_said_before_it_is_tried(
    folder: Path, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "free_bytes", lambda _: 400_000_000)
    error = refused(model_name, folder)
    assert isinstance(error, Unavailable)
    assert error.code == "too_little_memory"
    assert re.search(r"it needs about 0\.[56] GB, and 0\.4 GB are free", error.message)


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_files_that_are_not_read_need_no_memory(folder: Path, model_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "t3_mtl23ls_v3.safetensors").open("wb") as file:
        file.truncate(10**11)
    monkeypatch.setattr(loading, "free_bytes", lambda _: 10**9)
    assert load(model_name, folder).speak(Request("Hello.", 1), None, lambda: None).tokens


@pytest.mark.parametrize("model_name", ["original"])
def test_where_nobody_can_tell_the_free_memory_it_is_tried(
    folder: Path, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "free_bytes", lambda _: None)
    assert load(model_name, folder).speak(Request("Hello.", 1), None, lambda: None).tokens


def test_free_memory_is_known_here() -> None:
    free = loading.free_bytes("cpu")
    assert free is not None
    assert 10**6 < free < 10**14


@pytest.mark.parametrize("model_name", ["original"])
@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=["python", "cuda", "cpu"],
)
def test_memory_that_runs_out_while_loading_is_said(
    folder: Path, model_name: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(tts.ChatterboxTTS, "from_local", fail)
    assert refused(model_name, folder).code == "too_little_memory"


@pytest.mark.parametrize("model_name", ["original"])
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_said(
    folder: Path, model_name: str, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    error = refused(model_name, folder, device=device)
    assert (error.code, error.field) == ("no_such_device", "CHATTERBOX_DEVICE")
    assert loading.chosen_device("auto") == "cpu"


def test_auto_takes_the_best_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert loading.chosen_device("auto") == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert loading.chosen_device("auto") == "cuda"
    assert loading.chosen_device("cpu") == "cpu"


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_chinese_is_spoken_where_its_segmenter_cannot_be_had(
    folder: Path, model_name: str, no_hub: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It downloads a model of its own when it is made, which breaks upstream's constructor where there is no way."""

    def fail() -> None:
        raise OSError("no network")

    segmenter = ModuleType("spacy_pkuseg")
    segmenter.pkuseg = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "spacy_pkuseg", segmenter)
    engine = load(model_name, folder)
    vocabulary = json.loads((folder / "grapheme_mtl_merged_expanded_v1.json").read_text("utf-8"))["model"]["vocab"]
    marks = [vocabulary[f"[cj_{letter}]"] for letter in "onf.vnd."]
    ids = engine.text_tokens(Request("你好", 1, "zh"))[0].tolist()
    assert ids == [255, vocabulary["[zh]"], *marks, vocabulary["."], 0]
    assert len(engine.speak(Request("你好", 1, "zh"), None, lambda: None).samples)
    assert no_hub == []


@pytest.mark.parametrize("model_name", ["multilingual"])
def test_chinese_codes_are_looked_for_in_the_folder_alone(folder: Path, model_name: str, no_hub: list[str]) -> None:
    (folder / "Cangjie5_TC.json").unlink()
    load(model_name, folder)
    assert no_hub == []


class _Newer:
    """A class of a later release, which knows a third version of the multilingual model."""

    asked: dict[str, Any]

    @classmethod
    def from_local(cls, ckpt_dir: Path, device: str, t3_model: str = "v2") -> Any:
        cls.asked = {"t3_model": t3_model, "device": device}
        raise RuntimeError("enough")


@pytest.mark.parametrize("model_name", ["multilingual"])
@pytest.mark.parametrize(
    ("versions", "asked"), [(["v3"], "v3"), (["v2"], "v2"), (["v2", "v3"], "v2")], ids=["v3", "v2", "both"]
)
def test_a_newer_release_is_asked_for_the_version_there_is(
    folder: Path, model_name: str, versions: list[str], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mtl_tts, "ChatterboxMultilingualTTS", _Newer)
    _Newer.__module__ = mtl_tts.__name__
    file = folder / "t3_mtl23ls_v2.safetensors"
    target = file.resolve()
    file.unlink()
    for version in versions:
        (folder / f"t3_mtl23ls_{version}.safetensors").symlink_to(target)
    refused(model_name, folder)
    assert _Newer.asked == {"t3_model": asked, "device": "cpu"}


@pytest.mark.parametrize("model_name", ["original"])
def test_an_empty_folder_setting_takes_the_hubs_cache(
    folder: Path, model_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "cached_folder", lambda _: folder)
    monkeypatch.setattr(loading, "download", lambda *_: pytest.fail("it was all there"))
    lines: list[str] = []
    loading.load_engine(MODELS[model_name], folder="", device="cpu", report=lines.append)
    assert lines[1] == "looking for ResembleAI/chatterbox"


def test_the_modules_named_are_upstreams() -> None:
    for model in MODELS.values():
        assert hasattr(getattr(importlib.import_module(model.module), model.class_name), "from_local")
