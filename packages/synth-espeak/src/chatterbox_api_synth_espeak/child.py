"""The child process: owns the one espeak-ng of its address space and speaks for its parent.

It is run as a file, not imported, and knows nothing of the packages around it. Its standard input and output
carry frames: one byte of kind, four of length (little-endian), the payload. The parent sends

    S  speak    {"id", "text", "voice", "rate", "pitch"}
    M  measure  the rate as four bytes, then float32 samples: the median pitch of a clip
    X  cancel   {"id"}: stop speaking this one

and gets back

    H  hello    {"rate_hz", "languages": {tag: [voice, name]}}, once
    A  audio    float32 samples
    E  end      of a speak, cancelled or not
    P  pitch    {"hz": number or null}
    F  failed   {"message"} instead of E or P

It ends when its standard input closes, so also when its parent is killed. It ignores the signals that a terminal
or a service manager sends to whole groups: its parent decides how long open streams may last.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import re
import signal
import struct
import sys
import threading
from array import array
from pathlib import Path
from typing import Any, BinaryIO

import espeakng_loader

_SYNCHRONOUS, _DO_NOT_EXIT, _UTF8, _CHARACTERS = 2, 0x8000, 1, 1
_RATE, _PITCH = 1, 3
_FIRST_CHUNK_MS, _LONGEST_CHUNK_S = 60, 0.5


class _VoiceRecord(ctypes.Structure):
    """espeak_VOICE of speak_lib.h."""

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
    """The library, set up once."""

    def __init__(self, data_path: str) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        # espeak-ng fails on data paths of more than about 160 characters; a relative one is always short.
        os.chdir(Path(data_path or espeakng_loader.get_data_path()).parent)
        self.rate_hz: int = self._lib.espeak_Initialize(_SYNCHRONOUS, _FIRST_CHUNK_MS, b".", _DO_NOT_EXIT)
        if self.rate_hz <= 0:
            raise RuntimeError("espeak-ng finds no data in its folder")
        self._lib.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        self._callback = _Callback(self._on_audio)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._emit: Any = None
        self._cancelled: Any = None

    def languages(self) -> dict[str, tuple[str, str]]:
        """For each language tag the voice that espeak-ng prefers for it, and its name."""
        best: dict[str, tuple[int, str, str]] = {}
        voices = self._lib.espeak_ListVoices(None)
        index = 0
        while voices[index]:
            record = voices[index].contents
            index += 1
            identifier = record.identifier.decode()
            if identifier.startswith("mb/") or not _has_dictionary(identifier):
                continue  # MBROLA's voices need data that is not here, and some languages lack theirs
            for priority, tag in _tags(record.languages):
                entry = (priority, identifier, record.name.decode())
                best[tag] = min(best.get(tag, entry), entry)
        return {tag: (identifier, name) for tag, (_, identifier, name) in sorted(best.items())}

    def speak(self, text: str, *, voice: str, rate: int, pitch: int, emit: Any, cancelled: Any) -> None:
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
    """Whether a voice's pronunciation rules are among the data; without them it is silent."""
    definition = (Path("espeak-ng-data/lang") / identifier).read_text(encoding="utf-8")
    named = re.search(r"^dictionary\s+(\S+)", definition, re.MULTILINE)
    name = named.group(1) if named else Path(identifier).name.partition("-")[0]
    return (Path("espeak-ng-data") / f"{name}_dict").exists()


def _tags(address: int) -> list[tuple[int, str]]:
    """A list of (priority byte, C string), ended by a zero byte."""
    tags = []
    while (priority := ctypes.string_at(address, 1)[0]) != 0:
        tag = ctypes.string_at(address + 1)
        tags.append((priority, tag.decode()))
        address += 2 + len(tag)
    return tags


def median_pitch_hz(samples: bytes, rate_hz: int) -> float | None:
    """Of the voiced parts of a clip, by Praat; None where nothing is voiced."""
    import numpy as np
    import parselmouth

    sound = parselmouth.Sound(np.frombuffer(samples, np.float32).astype(np.float64), rate_hz)
    track = sound.to_pitch(pitch_floor=50, pitch_ceiling=600).selected_array["frequency"]
    voiced = track[track > 0]
    return float(np.median(voiced)) if len(voiced) else None


class Child:
    """Reads frames in a thread, so that a cancel is seen while espeak-ng speaks, and works in the main one."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, espeak: Espeak) -> None:
        self._source, self._sink, self._espeak = source, sink, espeak
        self._jobs: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
        self._cancelled_id = -1

    def run(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()
        self._send(b"H", {"rate_hz": self._espeak.rate_hz, "languages": self._espeak.languages()})
        while True:
            kind, payload = self._jobs.get()
            try:
                if kind == b"S":
                    self._speak(**json.loads(payload))
                    self._send(b"E", {})
                else:
                    (rate_hz,) = struct.unpack_from("<I", payload)
                    self._send(b"P", {"hz": median_pitch_hz(payload[4:], rate_hz)})
            except Exception as error:
                self._send(b"F", {"message": f"{type(error).__name__}: {error}"})

    def _read(self) -> None:
        while len(head := self._source.read(5)) == 5:
            kind, size = struct.unpack("<cI", head)
            payload = self._source.read(size)
            if kind == b"X":
                self._cancelled_id = max(self._cancelled_id, json.loads(payload)["id"])
            else:
                self._jobs.put((kind, payload))
        os._exit(0)

    def _speak(self, *, id: int, text: str, voice: str, rate: int, pitch: int) -> None:
        """Short stretches at first, for early sound, then longer ones, for fewer frames."""
        held = bytearray()
        due = 0

        def emit(data: bytes) -> None:
            nonlocal due
            held.extend(data)
            if len(held) > due:
                self._send(b"A", _floats(bytes(held)))
                held.clear()
                due = min(2 * due + len(data), int(2 * self._espeak.rate_hz * _LONGEST_CHUNK_S))

        def cancelled() -> bool:
            return self._cancelled_id >= id

        self._espeak.speak(text, voice=voice, rate=rate, pitch=pitch, emit=emit, cancelled=cancelled)
        if held and not cancelled():
            self._send(b"A", _floats(bytes(held)))

    def _send(self, kind: bytes, payload: bytes | dict[str, Any]) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self._sink.write(struct.pack("<cI", kind, len(data)) + data)
        self._sink.flush()


def _floats(s16: bytes) -> bytes:
    return array("f", [value / 32768 for value in array("h", s16)]).tobytes()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints must not end up between frames
    try:
        Child(sys.stdin.buffer, sink, Espeak(sys.argv[1])).run()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
