"""The worker that speaks: `python -m chatterbox_api_synth_espeak.speech_worker CONFIG`. It holds one espeak-ng.

Jobs, by the header's "do":

    describe    {} -> {"sample_rate_hz", "languages": {tag: [voice, name]}}
    speak       {"text", "voice", "rate", "pitch"} -> pieces of float32 samples; the rate is in words per minute
"""

from __future__ import annotations

import ctypes
import os
import re
from array import array
from pathlib import Path
from typing import Any

import espeakng_loader

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_synth_espeak.errors import error_from_espeak
from chatterbox_api_worker.frames import Header, Payload
from chatterbox_api_worker.serving import Job, JobContext, Progress, serve

__all__ = ["Espeak", "load"]

_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8, _CHARACTERS = 2, 0x8000, 1, 1
_RATE, _PITCH = 1, 3
_FIRST_CHUNK_MS, _LONGEST_CHUNK_S = 60, 0.5


class _VoiceRecord(ctypes.Structure):
    """The struct espeak_VOICE of speak_lib.h."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library espeak-ng, of which a process can hold only one.

    Attributes:
        sample_rate_hz: the sample rate of its output.

    Raises:
        OSError: the library or its data folder does not exist.
        RuntimeError: the folder lacks espeak-ng's data.
    """

    def __init__(self, data_path: str) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        # espeak-ng fails on data paths of more than about 160 characters; a relative one is always short.
        os.chdir(Path(data_path or espeakng_loader.get_data_path()).parent)
        self.sample_rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, _FIRST_CHUNK_MS, b".", _DO_NOT_EXIT)
        if self.sample_rate_hz <= 0:
            raise RuntimeError("its folder contains no espeak-ng-data")
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        self._callback = _Callback(self._on_audio)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._emit: Any = None
        self._cancelled: Any = None

    def languages(self) -> dict[str, tuple[str, str]]:
        """For each language tag, the identifier of the voice that espeak-ng prefers, and the name of the language."""
        best: dict[str, tuple[int, str, str]] = {}
        voices = self._lib.espeak_ListVoices(None)
        index = 0
        while voices[index]:
            record = voices[index].contents
            index += 1
            identifier = record.identifier.decode()
            if identifier.startswith("mb/") or not _has_dictionary(identifier):
                continue  # MBROLA's voices need data that is not installed, and some languages lack their dictionary
            for priority, tag in _tags(record.languages):
                entry = (priority, identifier, record.name.decode())
                best[tag] = min(best.get(tag, entry), entry)
        return {tag: (identifier, name) for tag, (_, identifier, name) in sorted(best.items())}

    def speak(self, text: str, *, voice: str, rate: int, pitch: int, emit: Any, cancelled: Any) -> None:
        """Speak a text. Blocks until it is done or cancelled.

        Args:
            text: at most `Capabilities.max_chars` characters.
            voice: an identifier with the suffix of a variant.
            rate: words per minute, from 80 to 700.
            pitch: a setting from 0 to 99.
            emit: called with 16-bit samples as bytes, as soon as they are made.
            cancelled: called before each block; True ends the speech.

        Raises:
            RuntimeError: espeak-ng does not know the voice or refuses the text.
        """
        if self._lib.espeak_SetVoiceByName(voice.encode()) != 0:
            raise RuntimeError(f"espeak-ng has no voice {voice!r}")
        self._lib.espeak_SetParameter(_RATE, rate, 0)
        self._lib.espeak_SetParameter(_PITCH, pitch, 0)
        self._emit, self._cancelled = emit, cancelled
        data = text.replace("\0", " ").encode("utf-8", "replace")
        if self._lib.espeak_Synth(data, len(data) + 1, 0, _CHARACTERS, 0, _UTF8, None, None) != 0:
            raise RuntimeError("espeak-ng refused the text")

    def _on_audio(self, samples: Any, count: int, events: Any) -> int:
        if self._cancelled():
            return 1
        if count > 0:
            self._emit(ctypes.string_at(samples, 2 * count))
        return 0


def _has_dictionary(identifier: str) -> bool:
    """Whether the data contains the pronunciation rules of a voice; without them the voice is silent."""
    definition = (Path("espeak-ng-data/lang") / identifier).read_text(encoding="utf-8")
    named = re.search(r"^dictionary\s+(\S+)", definition, re.MULTILINE)
    name = named.group(1) if named else Path(identifier).name.partition("-")[0]
    return (Path("espeak-ng-data") / f"{name}_dict").exists()


def _tags(address: int) -> list[tuple[int, str]]:
    """Read a list of (priority byte, C string) that a zero byte ends."""
    tags = []
    while (priority := ctypes.string_at(address, 1)[0]) != 0:
        tag = ctypes.string_at(address + 1)
        tags.append((priority, tag.decode()))
        address += 2 + len(tag)
    return tags


def load(config: Header, report: Progress) -> dict[str, Job]:
    """Start espeak-ng and return the jobs. Raises ConfigurationError where its data is not found."""
    try:
        espeak = Espeak(config["data_path"])
    except (OSError, RuntimeError) as error:
        raise ConfigurationError(f"espeak-ng does not start: {error}.") from error

    def describe(header: Header, payload: bytes, context: JobContext) -> tuple[Header, Payload]:
        return {"sample_rate_hz": espeak.sample_rate_hz, "languages": espeak.languages()}, b""

    def speak(header: Header, payload: bytes, context: JobContext) -> tuple[Header, Payload]:
        speech = _Speech(context, longest_bytes=int(2 * espeak.sample_rate_hz * _LONGEST_CHUNK_S))
        words = {name: header[name] for name in ("text", "voice", "rate", "pitch")}
        espeak.speak(**words, emit=speech.emit, cancelled=lambda: context.cancelled)
        speech.flush()
        context.checkpoint()
        return {}, b""

    return {"describe": describe, "speak": speak}


class _Speech:
    """Sends the output of espeak-ng: short pieces at first, for a low latency, then longer ones, for fewer frames."""

    def __init__(self, context: JobContext, *, longest_bytes: int) -> None:
        self._context, self._longest_bytes = context, longest_bytes
        self._held = bytearray()
        self._due_bytes = 0

    def emit(self, data: bytes) -> None:
        self._held.extend(data)
        if len(self._held) > self._due_bytes:
            self.flush()
            self._due_bytes = min(2 * self._due_bytes + len(data), self._longest_bytes)

    def flush(self) -> None:
        """Send the samples that wait."""
        if self._held and not self._context.cancelled:
            self._context.send({}, _floats(bytes(self._held)))
        self._held.clear()


def _floats(s16: bytes) -> bytes:
    return array("f", [value / 32768 for value in array("h", s16)]).tobytes()


if __name__ == "__main__":
    serve(load, on_failure=error_from_espeak)
