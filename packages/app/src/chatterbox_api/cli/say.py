"""`chatterbox-api say`: speaks a text into a file."""

from __future__ import annotations

import asyncio
import math
import os
import sys
import tempfile
from collections.abc import Coroutine, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from chatterbox_api.cli.common import Environment, piped_text, with_settings
from chatterbox_api.cli.output import echo
from chatterbox_api.cli.waiting import retry_while_loading
from chatterbox_api_core.text import TEXT_FORMATS

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from chatterbox_api_core import SpeechRequest, SpeechStream

__all__ = ["say"]

_MAX_CHARS: Final = 1_000_000
"""A command may speak a whole book."""
_MAX_BODY_BYTES: Final = 2**32 - 1
"""The most that the sizes in a WAV file can express."""


@click.command(short_help="Speak a text into a file.")
@click.argument("text")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, allow_dash=True),
    help="FILE, or - for standard output.",
)
@click.option("--voice", help="Id, name or alias of a voice.")
@click.option("--clip", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A recording to sound like.")
@click.option("--format", "audio_format", help="wav, mp3, ...; by the file's extension when left out.")
@click.option("--language", help="Such as en-us or de.")
@click.option(
    "--text-format",
    type=click.Choice(TEXT_FORMATS),
    default="auto",
    show_default=True,
    help="auto leaves out Markdown's marks and emoji, plain leaves out nothing, ssml understands tags.",
)
@click.option("--speed", type=float, default=1.0, show_default=True, help="From 0.25 to 4.")
@click.option("--rate", "sample_rate_hz", type=int, help="Samples per second of the file, such as 16000.")
@click.option("--loudness", "loudness_lufs", type=float, help="EBU R128 target in LUFS, such as -16.")
@click.option("--trim", is_flag=True, help="Cut off silence at both ends.")
@click.option("--seed", type=int, help="Repeat a result.")
@with_settings()
def say(
    env: Environment,
    text: str,
    output: str,
    voice: str | None,
    clip: Path | None,
    audio_format: str | None,
    language: str | None,
    text_format: str,
    speed: float,
    sample_rate_hz: int | None,
    loudness_lufs: float | None,
    trim: bool,
    seed: int | None,
) -> Coroutine[Any, Any, None]:
    """Speak TEXT into a file; - reads it from standard input.

    \b
    chatterbox-api say "Good morning." -o morning.mp3
    chatterbox-api say - -o book.wav --clip me.wav < book.txt
    chatterbox-api say "One. [pause:2s] Two." -o two.opus
    """
    if voice is not None and clip is not None:
        raise click.UsageError("--voice and --clip exclude each other.")
    if output != "-" and not Path(output).parent.is_dir():
        raise click.UsageError(f"There is no folder {click.format_filename(Path(output).parent)}.")
    from chatterbox_api_core import EncodeOptions, SpeechRequest

    request = SpeechRequest(
        piped_text(max_chars=_MAX_CHARS) if text == "-" else text,
        voice=voice,
        clip=clip.read_bytes() if clip else None,
        audio_format=audio_format or Path(output).suffix.lstrip(".").lower() or "wav",
        streaming=None if output == "-" else False,
        language=language,
        text_format=text_format,
        speed=speed,
        seed=seed,
        options=EncodeOptions(sample_rate_hz=sample_rate_hz, loudness_lufs=loudness_lufs, trim=trim),
    )
    return _say(env, request, output)


async def _say(env: Environment, request: SpeechRequest, output: str) -> None:
    """Speak into a file, or to standard output for -."""
    from chatterbox_api.compose import compose, speech_limits

    env = {"SPOOL_DISK_MB": str(_MAX_BODY_BYTES // 2**20 + 1), **env}
    limits = replace(speech_limits(env), max_chars=_MAX_CHARS, max_audio_s=math.inf, max_body_bytes=_MAX_BODY_BYTES)
    async with compose(env, limits=limits, clip_reader_on_demand=True) as service:

        async def speak() -> None:
            await _write(service.speech.stream(request), output)

        await retry_while_loading(speak)


async def _write(stream: SpeechStream, output: str) -> None:
    """Write a stream to its destination. A model that is still loading fails it before its first byte."""
    from rich.console import Console
    from rich.progress import Progress

    with (
        _destination(output) as file,
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
    ):
        async with stream:
            bar = progress.add_task("Speaking", total=stream.segments, visible=stream.segments > 1)
            watching = asyncio.create_task(_watch(stream, progress, bar))
            try:
                async for data in stream:
                    file.write(data)
            finally:
                watching.cancel()
            progress.update(bar, completed=stream.segments)
    if output != "-" and sys.stderr.isatty():
        echo(f"{click.format_filename(output)}: {stream.timings.audio_s:.1f} s of speech", err=True)


async def _watch(stream: SpeechStream, progress: Progress, bar: TaskID) -> None:
    while True:
        progress.update(bar, completed=stream.segments_done)
        await asyncio.sleep(0.1)


@contextmanager
def _destination(output: str) -> Generator[IO[bytes], None, None]:
    """Standard output, or a file that appears under its name only when it is complete."""
    if output == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        Path(part).chmod(0o666 & ~umask)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
