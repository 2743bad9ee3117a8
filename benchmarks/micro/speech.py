"""What a request passes on its way: how its text is split, the queue before the engine, the encoder of its format."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from benchmarks.micro.baseline import turn
from benchmarks.micro.timing import Part, Scale

__all__ = ["encoders", "queue", "texts"]

_SENTENCE: Final = "Dr. Lee has 3,200 voices; the quick brown fox, on the 5th of May, jumps over the lazy dog. "
_GERMAN: Final = "Am 5. Mai kam Dr. Lee, z. B. um 9 Uhr, nach Bonn. "
_PIECE_S: Final = 0.2
_SOUND_S: Final = 4


@asynccontextmanager
async def texts(scale: Scale, folder: Path) -> AsyncGenerator[Sequence[Part], None]:
    from chatterbox_api_core.text import segment

    markdown = f"# A title\n\n- *{_SENTENCE.strip()}*\n- [a link](https://a.example) and `code`\n\n{_SENTENCE}\n\n"
    ssml = f'<speak><p>{_SENTENCE}</p><break time="300ms"/><p>{_SENTENCE}</p></speak>'
    given: list[tuple[str, str, dict[str, Any]]] = [
        ("a sentence", _SENTENCE, {}),
        ("4,000 characters", (_SENTENCE * 60)[:4000], {}),
        ("100,000 characters", (_SENTENCE * 1500)[:100_000], {}),
        (
            "4,000 characters of German",
            (_GERMAN * 90)[:4000],
            {"language": "de"},
        ),
        ("4,000 characters of Markdown", (markdown * 20)[:4000], {}),
        ("two paragraphs of SSML", ssml, {"text_format": "ssml"}),
    ]
    yield [
        turn(),
        *(Part(f"split {name}", partial(segment, text, max_chars=400, **options)) for name, text, options in given),
    ]


@asynccontextmanager
async def queue(scale: Scale, folder: Path) -> AsyncGenerator[Sequence[Part], None]:
    from chatterbox_api_core import RequestQueue
    from chatterbox_api_core.errors import Overloaded

    free = RequestQueue(slots=8, max_waiting=64, wait_s=60)
    full = RequestQueue(slots=1, max_waiting=64, wait_s=60)

    async def reserved() -> None:
        with free.reserve() as reservation:
            await reservation.wait()

    def refused() -> None:
        try:
            full.reserve()
        except Overloaded:
            return
        raise AssertionError("the queue was to be full")

    with ExitStack() as stack:
        for _ in range(65):
            stack.enter_context(full.reserve())
        yield [turn(), Part("a slot that is free", reserved), Part("a refusal by a full queue", refused)]


@asynccontextmanager
async def encoders(scale: Scale, folder: Path) -> AsyncGenerator[Sequence[Part], None]:
    """Each format from its opening to its end, for each second of sound, in pieces as an engine yields them."""
    from benchmarks.stub_engine.synthesizer import StubSynthesizer, StubTiming
    from chatterbox_api_core.types import EncodeOptions, Utterance
    from chatterbox_api_encoders.encoder import PyavEncoder
    from chatterbox_api_encoders.vorbis import SoundfileEncoder

    engine = StubSynthesizer(StubTiming(delay_s=0, piece_s=_PIECE_S, sound_s=_SOUND_S))
    pieces = [pcm async for pcm in engine.speak(Utterance(_SENTENCE), None)]

    def encode(encoder: Any, audio_format: Any, *, streaming: bool) -> None:
        sink = BytesIO()
        opened = encoder.open(
            audio_format, sink, input_rate_hz=pieces[0].sample_rate_hz, streaming=streaming, options=EncodeOptions()
        )
        for pcm in pieces:
            opened.encode(pcm)
        opened.flush()

    parts = [turn()]
    for encoder in (PyavEncoder(), SoundfileEncoder()):
        for audio_format in encoder.formats:
            for streaming in (False, True):
                name = f"a second of {audio_format.name}, {'streamed' if streaming else 'complete'}"
                parts.append(Part(name, partial(encode, encoder, audio_format, streaming=streaming), _SOUND_S))
    yield parts
