"""The settings of this engine."""

from __future__ import annotations

from typing import Final

from chatterbox_api_core.settings import Setting, boolean, integer, number, one_of, path
from chatterbox_api_synth_chatterbox.models import MODELS

__all__ = [
    "ALL",
    "CONCURRENT",
    "DEVICE",
    "IDLE_UNLOAD_S",
    "LANGUAGE",
    "LOAD_S",
    "MODEL",
    "MODEL_DIR",
    "PRELOAD",
    "STALL_S",
    "VOICES_MB",
]

MODEL: Final = Setting(
    "CHATTERBOX_MODEL",
    "original",
    "original (English), multilingual (23 languages) or turbo (English, fast).",
    one_of(*MODELS),
)
MODEL_DIR: Final = Setting(
    "CHATTERBOX_MODEL_DIR",
    "",
    "A folder with the model's files; with it nothing is fetched. Empty: the Hugging Face Hub and its cache.",
    path,
)
DEVICE: Final = Setting(
    "CHATTERBOX_DEVICE",
    "auto",
    "cuda, mps or cpu; auto takes the first of them that is there.",
    one_of("auto", "cuda", "mps", "cpu"),
)
LANGUAGE: Final = Setting(
    "CHATTERBOX_LANGUAGE", "en", "The multilingual model's language for requests that name none.", str
)
CONCURRENT: Final = Setting(
    "CHATTERBOX_CONCURRENT", "4", "Requests that take turns at the model, sentence by sentence.", integer(1, 64)
)
PRELOAD: Final = Setting(
    "CHATTERBOX_PRELOAD", "no", "yes loads the weights at the start, not with the first request.", boolean
)
IDLE_UNLOAD_S: Final = Setting(
    "IDLE_UNLOAD_S", "0", "Seconds without work after which the model leaves memory; 0 keeps it.", number(0, 86_400 * 7)
)
LOAD_S: Final = Setting(
    "CHATTERBOX_LOAD_S", "300", "The longest silence while weights are fetched and loaded, in seconds.", number(1, 7200)
)
STALL_S: Final = Setting(
    "CHATTERBOX_STALL_S", "120", "The longest a single step of the model may take, in seconds.", number(1, 3600)
)
VOICES_MB: Final = Setting(
    "CHATTERBOX_VOICES_MB", "64", "Memory for analysed voices, in MB; one takes about 0.17.", integer(1, 65_536)
)

ALL: Final = (
    MODEL,
    MODEL_DIR,
    DEVICE,
    LANGUAGE,
    CONCURRENT,
    PRELOAD,
    IDLE_UNLOAD_S,
    LOAD_S,
    STALL_S,
    VOICES_MB,
)
