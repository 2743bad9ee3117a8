"""Chatterbox API's core in a plain asyncio program: a voice from a clip, a sentence in that voice, a file.

python asyncio_script.py                                        hums, with core's own adapters
python asyncio_script.py --adapters espeak pyav -o hello.mp3    speaks, with installed adapters
python asyncio_script.py --adapters espeak pyav --clip me.wav
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from contextlib import AsyncExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

from chatterbox_api_core import (
    ChatterboxError,
    ClipReader,
    EncodeOptions,
    Encoder,
    Pcm,
    RequestQueue,
    SpeechRequest,
    SpeechService,
    Synthesizer,
    VoiceLibrary,
    VoiceResolver,
)
from chatterbox_api_core.formats import WAV
from chatterbox_api_core.plugins import CLIP_READERS, ENCODERS, SYNTHESIZERS, load
from chatterbox_api_core.reference import MemoryStore, ToneSynthesizer, WavEncoder, WavReader


def buzz(hz: float, duration_s: float, *, sample_rate_hz: int = 16_000) -> bytes:
    """A WAV clip for those who have no recording at hand: a saw-tooth, which is as high as a voice of `hz`."""
    samples = [(i * hz / sample_rate_hz % 1.0 - 0.5) * 0.6 for i in range(round(duration_s * sample_rate_hz))]
    sink = BytesIO()
    encoder = WavEncoder().open(WAV, sink, input_rate_hz=sample_rate_hz, streaming=False, options=EncodeOptions())
    encoder.encode(Pcm.from_floats(samples, sample_rate_hz=sample_rate_hz))
    encoder.flush()
    return sink.getvalue()


async def say(text: str, *, clip: bytes, out: Path, adapters: tuple[str, str] | None) -> None:
    async with AsyncExitStack() as stack:

        async def installed(group: str, name: str) -> Any:
            """The adapter that some installed package offers under this name, until the stack closes."""
            return await stack.enter_async_context(load(group, name).open(os.environ))

        synthesizer: Synthesizer = ToneSynthesizer()
        encoder: Encoder = WavEncoder()
        clip_reader: ClipReader = WavReader()
        if adapters is not None:
            engine, codec = adapters
            synthesizer = await installed(SYNTHESIZERS, engine)
            encoder, clip_reader = await installed(ENCODERS, codec), await installed(CLIP_READERS, codec)

        library = VoiceLibrary(store=MemoryStore(), clip_reader=clip_reader)
        service = SpeechService(
            engine="tone" if adapters is None else adapters[0],
            synthesizer=synthesizer,
            encoders=[encoder],
            voices=VoiceResolver(library),
            queue=RequestQueue(slots=synthesizer.capabilities.max_concurrency, max_waiting=16, wait_s=30),
        )
        voice, report = await library.create("Anna", clip)
        print(f"{voice.name} is {voice.id}, from a clip of {report.duration_s:.1f} s.")
        async with service.stream(SpeechRequest(text, voice="anna", audio_format=out.suffix.lstrip("."))) as stream:
            speech = await stream.read()
        await asyncio.to_thread(out.write_bytes, speech)
        print(f"{out}: {stream.timings.audio_s:.1f} s of sound in {stream.timings.finished_s:.3f} s.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Speak a sentence in the voice of a clip.")
    parser.add_argument("text", nargs="?", default="Good morning. This is my own program speaking.")
    parser.add_argument("-o", "--out", type=Path, default=Path("speech.wav"), help="its ending says the format")
    parser.add_argument("--clip", type=Path, help="a recording of the voice; a buzz when left out")
    parser.add_argument(
        "--adapters", nargs=2, metavar=("ENGINE", "CODEC"), help="installed adapters by name, such as: espeak pyav"
    )
    asked = parser.parse_args()
    try:
        clip = asked.clip.read_bytes() if asked.clip else buzz(130, 3)
        adapters = (asked.adapters[0], asked.adapters[1]) if asked.adapters else None
        asyncio.run(say(asked.text, clip=clip, out=asked.out, adapters=adapters))
    except (ChatterboxError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
