"""Checks that files hold audible sound of a plausible length: FILE SHORTEST_S LONGEST_S ..."""

from __future__ import annotations

import sys
from pathlib import Path

from chatterbox_api_core.types import ClipLimits
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_testkit.sounds import level

for path, shortest_s, longest_s in zip(*[iter(sys.argv[1:])] * 3, strict=True):
    pcm = InProcessClipReader().decode(Path(path).read_bytes(), limits=ClipLimits(min_duration_s=0)).pcm
    loudness = level(pcm.samples)
    print(f"{Path(path).name}: {pcm.duration_s:.2f} s at {pcm.sample_rate_hz} Hz, level {loudness:.3f}")
    assert float(shortest_s) <= pcm.duration_s <= float(longest_s), "not the length of this sentence"
    assert loudness > 0.02, "too quiet to hear"
