"""How long encoding takes, beside soundfile and a spawned ffmpeg, and what an hour-long stream needs.

    hatch run bench:encoders
    hatch run bench:encoders --hour

Every row is one format. The three ways take turns in each round, so that noise hits all of them; the numbers are
medians, and the ratios are of one run. `-` is what a way cannot do.
"""

from __future__ import annotations

import io
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Final

import soundfile
from rich.console import Console
from rich.table import Table

from chatterbox_api_core.formats import AAC, FLAC, M4A, MP3, OGG, OPUS, WAV, WEBM
from chatterbox_api_core.ports import Encoder
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Pcm
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder

RATE_HZ: Final = 24_000
ROUNDS: Final = {2: 15, 60: 3}
FFMPEG: Final = {
    WAV.name: ["-f", "wav"],
    MP3.name: ["-f", "mp3", "-b:a", "128k"],
    FLAC.name: ["-f", "flac"],
    OGG.name: ["-f", "ogg", "-c:a", "libvorbis", "-q:a", "5"],
    OPUS.name: ["-f", "ogg", "-c:a", "libopus", "-b:a", "64k"],
    AAC.name: ["-f", "adts", "-b:a", "128k"],
    M4A.name: ["-f", "mp4", "-movflags", "frag_keyframe+empty_moov", "-b:a", "128k"],
    WEBM.name: ["-f", "webm", "-c:a", "libopus", "-b:a", "64k"],
}
WHY_SLOWER: Final = {
    WAV.name: "samples pass through a frame and a muxer, a stretch at a time; both are thousands of times real time",
    MP3.name: "128 kbit/s, where libsndfile's own choice is a variable rate of about 20, a seventh of the bytes",
    FLAC.name: "FFmpeg's encoder in the place of libFLAC, which is faster, and here packs a tenth better",
    OGG.name: "the same codec at a higher quality (a tenth more bytes), fed in stretches that make it repeatable",
}
SOUNDFILE: Final = {
    WAV.name: ("WAV", "PCM_16"),
    MP3.name: ("MP3", "MPEG_LAYER_III"),
    FLAC.name: ("FLAC", "PCM_16"),
    OGG.name: ("OGG", "VORBIS"),
    OPUS.name: ("OGG", "OPUS"),
}


def speech_like(duration_s: int) -> Pcm:
    """Syllables: a buzz that comes and goes."""
    step = 2 * math.pi / RATE_HZ
    samples = (
        0.3 * abs(math.sin(2.5 * step * i)) * sum(math.sin(140 * k * step * i) / k for k in (1, 2, 3, 5))
        for i in range(duration_s * RATE_HZ)
    )
    return Pcm(memoryview(array("f", samples)), RATE_HZ)


def by_ours(encoder: Encoder, audio_format: AudioFormat, pcm: Pcm) -> int:
    """In stretches of a fifth of a second, as an engine yields them."""
    sink, stretch = io.BytesIO(), RATE_HZ // 5
    stream_encoder = encoder.open(audio_format, sink, input_rate_hz=RATE_HZ, streaming=False, options=EncodeOptions())
    for begin in range(0, len(pcm), stretch):
        stream_encoder.encode(Pcm(pcm.samples[begin : begin + stretch], RATE_HZ))
    stream_encoder.flush()
    return len(sink.getbuffer())


def by_soundfile(audio_format: AudioFormat, pcm: Pcm) -> int:
    kind, subtype = SOUNDFILE[audio_format.name]
    sink = io.BytesIO()
    with soundfile.SoundFile(sink, "w", RATE_HZ, 1, format=kind, subtype=subtype) as file:
        stretch = RATE_HZ // 5
        for begin in range(0, len(pcm), stretch):
            file.buffer_write(pcm.samples[begin : begin + stretch], "float32")
    return len(sink.getvalue())


def by_ffmpeg(audio_format: AudioFormat, pcm: Pcm) -> int:
    source = ["-f", "f32le", "-ar", str(RATE_HZ), "-ac", "1", "-i", "pipe:0"]
    command = ["ffmpeg", "-v", "error", *source, *FFMPEG[audio_format.name], "pipe:1"]
    return len(subprocess.run(command, input=bytes(pcm.samples), capture_output=True, check=True).stdout)


def ways(audio_format: AudioFormat, pcm: Pcm) -> dict[str, Callable[[], int]]:
    encoder: Encoder = SoundfileEncoder() if audio_format == OGG else PyavEncoder()
    found: dict[str, Callable[[], int]] = {"ours": lambda: by_ours(encoder, audio_format, pcm)}
    if audio_format.name in SOUNDFILE:
        found["soundfile"] = lambda: by_soundfile(audio_format, pcm)
    if shutil.which("ffmpeg"):
        found["ffmpeg"] = lambda: by_ffmpeg(audio_format, pcm)
    return found


def medians_ms(audio_format: AudioFormat, pcm: Pcm, rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, way in ways(audio_format, pcm).items():
            began = time.perf_counter()
            assert way()
            times.setdefault(name, []).append(1000 * (time.perf_counter() - began))
    return {name: statistics.median(each) for name, each in times.items()}


def compare(console: Console, duration_s: int) -> None:
    pcm = speech_like(duration_s)
    notes: list[str] = []
    table = Table(title=f"{duration_s} s of sound, median of {ROUNDS[duration_s]} rounds")
    for column in ("format", "ours ms", "x real time", "soundfile ms", "ours / it", "ffmpeg ms", "ours / it"):
        table.add_column(column, justify="left" if column == "format" else "right")
    for audio_format in (WAV, MP3, FLAC, OGG, OPUS, AAC, M4A, WEBM):
        found = medians_ms(audio_format, pcm, ROUNDS[duration_s])
        ours = found["ours"]
        row = [audio_format.name, f"{ours:.1f}", f"{1000 * duration_s / ours:.0f}"]
        for other in ("soundfile", "ffmpeg"):
            row += [f"{found[other]:.1f}", f"{ours / found[other]:.2f}"] if other in found else ["-", "-"]
        table.add_row(*row)
        if found.get("soundfile", math.inf) < 0.9 * ours:
            notes.append(f"{audio_format.name}: {WHY_SLOWER[audio_format.name]}")
    console.print(table)
    for note in notes:
        console.print(f"  slower than soundfile, {note}")


def stream_an_hour(console: Console) -> None:
    """Growth of the process while a stream goes on: of its second half an hour beyond its first."""
    table = Table(title="an hour as a stream")
    for column in ("format", "s", "MiB more after 30 min", "MiB more after 60 min"):
        table.add_column(column, justify="left" if column == "format" else "right")
    minute = speech_like(60)
    for audio_format in (WAV, MP3, FLAC, OGG, OPUS, AAC, M4A, WEBM):
        encoder: Encoder = SoundfileEncoder() if audio_format == OGG else PyavEncoder()
        began, before, grown = time.perf_counter(), _peak_mib(), []
        with Path(os.devnull).open("wb") as sink:
            stream_encoder = encoder.open(
                audio_format, sink, input_rate_hz=RATE_HZ, streaming=True, options=EncodeOptions()
            )
            for at in range(60):
                for begin in range(0, len(minute), RATE_HZ):
                    stream_encoder.encode(Pcm(minute.samples[begin : begin + RATE_HZ], RATE_HZ))
                if at in (29, 59):
                    grown.append(_peak_mib() - before)
            stream_encoder.flush()
        table.add_row(audio_format.name, f"{time.perf_counter() - began:.0f}", *(f"{each:.1f}" for each in grown))
    console.print(table)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main() -> None:
    console = Console()
    if "--hour" in sys.argv:
        stream_an_hour(console)
        return
    for duration_s in ROUNDS:
        compare(console, duration_s)


if __name__ == "__main__":
    main()
