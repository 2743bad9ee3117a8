"""What plays what: every format, complete and streamed, in the players of Python, of science and of people.

`-s` shows the table as it was found.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from encoders.players import PLAYERS, Body, Heard, chromium_path, in_chromium, in_ffmpeg

from chatterbox_api_core.formats import FORMATS, OGG, PCM
from chatterbox_api_core.types import AudioFormat, EncodeOptions, Pcm
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder

RATE_HZ: Final = 24_000
SAMPLES: Final = 3 * RATE_HZ
TONE_HZ: Final = 440.0
SLACK_S: Final = 0.1
"""Of a length that is told, and of a player's clock."""

# exact      every sample that went in came out, and no other
# +N         at most N more, never fewer: a last frame that is filled up with silence
# +-N        at most N more or fewer
# at 48k     so it is when two are counted for one: Opus is always decoded at 48 kHz
# refused    the player says that it cannot
# unknown    it plays as said, but tells no length before, or a wrong one
# 3.12:      refused before Python 3.12, whose `wave` is the first to know the header by which FFmpeg tells 24 bits
# later      so does it here, or not, as the bytes happen to come; at the end it tells the right one
#
# An Ogg page that is the first with sound and the last is cut at a block's end by FFmpeg, and so by Chromium.
# Chromium counts the time in WebM in milliseconds, and that of an edit list in MP4 in microseconds, of which no number
# is a sample's; versions differ in how they round.
EXPECTED: Final = """
    format     body     | wave                 | soundfile | ffmpeg                | chromium
    wav        complete | exact                | exact     | exact                 | exact
    wav        streamed | exact, unknown       | exact     | exact                 | exact, later
    mp3        complete | refused              | exact     | exact                 | exact
    mp3        streamed | refused              | +1152     | +1152                 | +1152, later
    flac       complete | refused              | exact     | exact                 | exact
    flac       streamed | refused              | refused   | exact, unknown        | exact, later
    ogg        complete | refused              | exact     | +-256                 | +-256, later
    ogg        streamed | refused              | exact     | +-256                 | +-256, later
    opus       complete | refused              | exact     | exact at 48k          | exact, later
    opus       streamed | refused              | exact     | exact at 48k          | exact, later
    aac        complete | refused              | refused   | +1728                 | +1728
    aac        streamed | refused              | refused   | +1728                 | +1728, later
    pcm        complete | refused              | refused   | refused               | refused
    pcm        streamed | refused              | refused   | refused               | refused
    m4a        complete | refused              | refused   | +1024                 | +-1
    m4a        streamed | refused              | refused   | +1728                 | +1728, later
    webm       complete | refused              | refused   | exact at 48k          | +-24
    webm       streamed | refused              | refused   | exact at 48k, unknown | +-24, later
    wav-24     complete | 3.12: exact          | exact     | exact                 | exact
    wav-24     streamed | 3.12: exact, unknown | exact     | exact                 | exact, later
    wav-float  complete | refused              | exact     | exact                 | exact
    wav-float  streamed | refused              | exact     | exact                 | exact, later
"""


def expected() -> dict[str, dict[str, str]]:
    """By player, then by body."""
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in EXPECTED.strip().splitlines()]
    return {
        player: {"-".join(row[0].split()): row[column] for row in rows}
        for column, player in enumerate(head[1:], start=1)
    }


def encoded(audio_format: AudioFormat, *, complete: bool) -> bytes:
    """The tone as a server makes a body of it: a quarter of a second at a time."""
    sound = (0.5 * np.sin(2 * np.pi * TONE_HZ * np.arange(SAMPLES) / RATE_HZ)).astype(np.float32)
    encoder = SoundfileEncoder() if audio_format is OGG else PyavEncoder()
    sink = BytesIO()
    stream_encoder = encoder.open(
        audio_format, sink, input_rate_hz=RATE_HZ, streaming=not complete, options=EncodeOptions()
    )
    for part in np.split(sound, 12):
        stream_encoder.encode(Pcm(memoryview(part.tobytes()).cast("f"), RATE_HZ))
    stream_encoder.flush()
    return sink.getvalue()


@pytest.fixture(scope="module")
def bodies() -> dict[str, Body]:
    made = [Body(each, whole, encoded(each, complete=whole)) for each in FORMATS for whole in (True, False)]
    return {body.name: body for body in made}


def fault(cell: str, heard: Heard) -> str:
    """What is not as the cell says; empty where all is."""
    sound, _, length = spoken(cell).partition(", ")
    count, _, rate = sound.partition(" at ")
    if heard.known is not None and heard.known != (count != "refused"):
        return f"its media type is {'known' if heard.known else 'not known'}"
    if count == "refused" or heard.refusal:
        return "" if count == "refused" and heard.refusal else heard.refusal or "it plays"
    if heard.sample_rate_hz != (48_000 if rate == "48k" else RATE_HZ):
        return f"{heard.sample_rate_hz} Hz"
    more = heard.samples * RATE_HZ / heard.sample_rate_hz - SAMPLES
    most = 0 if count == "exact" else int(count.removeprefix("+-").removeprefix("+"))
    if not (-most if count.startswith("+-") else 0) <= more <= most:
        return f"{more:+.0f} samples"
    if abs(heard.hz - TONE_HZ) > 0.5:
        return f"{heard.hz:.1f} Hz"
    if heard.played_s is not None and not (right(heard.played_s) and right(heard.told_s)):
        return f"it stops at {heard.played_s} s of {heard.told_s} s"
    if length != "later" and right(heard.promised_s) != (length == ""):
        return f"it tells a length of {heard.promised_s} s"
    return ""


def spoken(cell: str) -> str:
    """The cell as it is for this Python."""
    newer = cell.removeprefix("3.12: ")
    return newer if newer == cell or sys.version_info >= (3, 12) else "refused"


def right(seconds: float | None) -> bool:
    return seconds is not None and abs(seconds - SAMPLES / RATE_HZ) < SLACK_S


def check(player: str, heard: Mapping[str, Heard]) -> None:
    cells = expected()[player]
    assert cells.keys() == heard.keys()
    faults = []
    for name, each in heard.items():
        found = fault(cells[name], each)
        faults += [f"{name} in {player} should be `{cells[name]}`: {found}"] if found else []
        told = "no length" if each.promised_s is None else f"{each.promised_s:9.2f} s"
        out = (
            each.refusal or f"{SAMPLES} -> {each.samples:6} at {each.sample_rate_hz} Hz, {each.hz:.1f} Hz, told: {told}"
        )
        print(f"{player:9} {name:18} {cells[name]:21} {'WRONG' if found else 'ok':5} {out}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("player", PLAYERS)
def test_each_plays_what_it_should(player: str, bodies: dict[str, Body], tmp_path: Path) -> None:
    if player == "ffmpeg" and not shutil.which("ffmpeg"):
        pytest.skip("there is no `ffmpeg` on this machine to play to")
    check(player, {name: PLAYERS[player](body, tmp_path) for name, body in bodies.items()})


def test_chromium_plays_what_it_should(bodies: dict[str, Body], tmp_path: Path) -> None:
    if not chromium_path():
        pytest.skip("there is neither `chromium` nor `chromium-browser` on this machine to play to")
    check("chromium", in_chromium(bodies, tmp_path))


def test_pcm_plays_where_it_is_told_what_it_is(bodies: dict[str, Body], tmp_path: Path) -> None:
    if not shutil.which("ffmpeg"):
        pytest.skip("there is no `ffmpeg` on this machine to play to")
    for name in (f"{PCM.name}-complete", f"{PCM.name}-streamed"):
        heard = in_ffmpeg(bodies[name], tmp_path, told=("-f", "s16le", "-ar", str(RATE_HZ)))
        assert fault("exact", heard) == "", name
