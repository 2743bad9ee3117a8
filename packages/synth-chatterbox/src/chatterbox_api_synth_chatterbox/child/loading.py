"""From a folder of files to a model that can speak; every way in which that fails, in one sentence each."""

from __future__ import annotations

import importlib
import inspect
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import torch

from chatterbox_api_core.errors import ConfigurationError, Unavailable
from chatterbox_api_synth_chatterbox.child.engine import Engine
from chatterbox_api_synth_chatterbox.child.errors import is_out_of_memory
from chatterbox_api_synth_chatterbox.models import Model
from chatterbox_api_synth_chatterbox.weights import cached_folder, download, loaded_files, missing_files

__all__ = ["chosen_device", "free_bytes", "load_engine"]

_log = logging.getLogger(__name__)

_WORKING_BYTES: Final = 500_000_000
"""What speaking takes beside the weights."""

_SEGMENTER: Final = Path(os.environ.get("PKUSEG_HOME", "~/.pkuseg")).expanduser() / "spacy_ontonotes"
"""Where spacy-pkuseg keeps what it downloads by itself, offline mode or not."""

Progress = Callable[[str], None]


def load_engine(model: Model, *, folder: str, device: str, report: Progress) -> Engine:
    """A model in memory. Raises ConfigurationError or Unavailable.

    Args:
        folder: of the model's files; empty for the Hub and its cache.
        device: cuda, mps, cpu or auto.
        report: told what is being done, in words.
    """
    report("importing torch and chatterbox-tts")
    tts_class = _upstream_class(model)
    target = chosen_device(device)
    path = _folder(model, folder, report)
    _check_memory(model, path, target)
    try:
        with _files_of(path), _reported(inspect.getmodule(tts_class), loaded_files(model, path), report):
            return Engine(tts_class.from_local(path, target, **_variant(tts_class, path)), model)
    except Exception as error:
        if is_out_of_memory(error):
            raise _too_little_memory(model, target) from error
        _log.exception("%s cannot be loaded from %s", model.title, path)
        raise ConfigurationError(
            f"{model.title} cannot be loaded from {path}: {type(error).__name__}: {_one_line(error)}.",
            code="weights_broken",
            remedy="Download the files again. They must be those of chatterbox-tts 0.1.7 or later.",
        ) from error


def chosen_device(wanted: str) -> str:
    """The device's name for torch. Raises ConfigurationError where it is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[wanted]:
        raise ConfigurationError(
            f"CHATTERBOX_DEVICE cannot be {wanted}: torch {torch.__version__} finds no such device.",
            code="no_such_device",
            field="CHATTERBOX_DEVICE",
            remedy="Set it to auto or cpu, or install the driver and a build of torch for this device.",
        )
    return wanted


def _upstream_class(model: Model) -> Any:
    try:
        tts_class = getattr(importlib.import_module(model.module), model.class_name)
        watermarker = importlib.import_module("perth").PerthImplicitWatermarker
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"{model.title} cannot be imported: {error}.",
            code="model_not_installed",
            remedy="Run `hatch run chatterbox:serve`, or `docker/install.sh FOLDER model`.",
        ) from error
    if watermarker is None:
        raise ConfigurationError(
            "The watermark cannot be applied: resemble-perth needs pkg_resources, which is not installed.",
            code="watermark_missing",
            remedy='Install it: pip install "setuptools<81".',
        )
    return tts_class


def _folder(model: Model, folder: str, report: Progress) -> Path:
    if not folder:
        report(f"looking for {model.repository}")
        return cached_folder(model) or download(model, report)
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ConfigurationError(
            f"CHATTERBOX_MODEL_DIR={folder} is not a folder.",
            code="weights_missing",
            field="CHATTERBOX_MODEL_DIR",
            remedy=f"Set it to the folder with the files of {model.repository}.",
        )
    missing = missing_files(model, path)
    if missing:
        raise ConfigurationError(
            f"CHATTERBOX_MODEL_DIR={folder} lacks {', '.join(missing)}.",
            code="weights_missing",
            field="CHATTERBOX_MODEL_DIR",
            remedy=f"Put the files of {model.repository} there, or remove the setting to use the Hugging Face Hub.",
        )
    return path


def _variant(tts_class: Any, path: Path) -> dict[str, Any]:
    """Newer releases know a third version of the multilingual model, and take the second unless asked."""
    third, second = path / "t3_mtl23ls_v3.safetensors", path / "t3_mtl23ls_v2.safetensors"
    known = "t3_model" in inspect.signature(tts_class.from_local).parameters
    return {"t3_model": "v3"} if known and third.is_file() and not second.is_file() else {}


@contextmanager
def _files_of(path: Path) -> Iterator[None]:
    """Keep upstream's tokenizers off the network: what they ask the Hub for is in the folder or nowhere."""
    from chatterbox.models.tokenizers import tokenizer as module

    def local(repo_id: str, filename: str, **_: object) -> str:
        if not (path / filename).is_file():
            raise FileNotFoundError(f"{filename} of {repo_id} is not in {path}")
        return str(path / filename)

    def without_segmenter(converter: Any) -> None:
        if os.environ.get("HF_HUB_OFFLINE") == "1" and not _SEGMENTER.is_dir():
            _log.warning("Chinese is spoken without word boundaries: %s does not exist", _SEGMENTER)
            converter.segmenter = None
            return
        try:
            upstream_segmenter(converter)
        except Exception as error:  # it downloads a model of its own, from elsewhere
            _log.warning("Chinese is spoken without word boundaries: %s", error)
            converter.segmenter = None

    converter: Any = getattr(module, "ChineseCangjieConverter", None)
    upstream_download = getattr(module, "hf_hub_download", None)
    upstream_segmenter: Any = getattr(converter, "_init_segmenter", None)
    if converter is None or upstream_download is None or upstream_segmenter is None:
        yield
        return
    module.hf_hub_download, converter._init_segmenter = local, without_segmenter
    try:
        yield
    finally:
        module.hf_hub_download, converter._init_segmenter = upstream_download, upstream_segmenter


@contextmanager
def _reported(module: Any, files: Sequence[Path], report: Progress) -> Iterator[None]:
    """Tell how far loading is, each time upstream's module opens a file of weights."""
    import safetensors.torch as safe

    total = max(1, sum(file.stat().st_size for file in files))
    opened = 0

    def telling(load: Callable[..., Any]) -> Callable[..., Any]:
        def told(file: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal opened
            path = Path(str(file))
            if path in files:
                report(f"loading {path.name}, {100 * opened // total} % done")
                opened += path.stat().st_size
            return load(file, *args, **kwargs)

        return told

    places = [(module, name) for name, value in vars(module).items() if value is safe.load_file] + [(torch, "load")]
    upstream = [(place, name, getattr(place, name)) for place, name in places]
    for place, name, function in upstream:
        setattr(place, name, telling(function))
    try:
        yield
    finally:
        for place, name, function in upstream:
            setattr(place, name, function)


def _check_memory(model: Model, path: Path, device: str) -> None:
    """Refuse early what would only fail slowly, or have the system end some process."""
    needed = _WORKING_BYTES + sum(file.stat().st_size for file in loaded_files(model, path))
    free = free_bytes(device)
    if free is not None and free < needed:
        raise _too_little_memory(model, device, needed=needed, free=free)


def _one_line(error: Exception) -> str:
    """What an error says; that of weights of other sizes runs over hundreds of lines."""
    return " ".join(str(error).split())[:300].rstrip(".")


def free_bytes(device: str) -> int | None:
    """The free bytes of a device, or None where the system does not tell. Limits of containers are not seen."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def _too_little_memory(model: Model, device: str, *, needed: int = 0, free: int = 0) -> Unavailable:
    numbers = f": it needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free" if needed else ""
    return Unavailable(
        f"{model.title} does not fit into the memory of {device}{numbers}.",
        code="too_little_memory",
        remedy="Stop other programs that use the memory, or set CHATTERBOX_MODEL=turbo or another CHATTERBOX_DEVICE.",
        retry_after_s=30,
    )
