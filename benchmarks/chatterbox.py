"""What the engine chatterbox saves and costs, beside upstream's own `generate(text, audio_prompt_path=clip)`.

    hatch run chatterbox:benchmark [--model original] [--rounds 5] [--folder DIR]

Makes weights of full size, random and from a seed, in FOLDER (3 GB for a model; a temporary folder unless named), and
loads them twice: here, for upstream and for our engine, and in the engine's own process. Speaks one sentence of a
second in the voice of a clip of ten, in turns, each round with a new seed and a voice that is new to the engine:

    upstream          generate(), which makes the voice anew from its clip, sentence by sentence
    engine, first     Engine.prepare and Engine.speak; `second` is Engine.speak in the voice that is there
    process, first    ChatterboxSynthesizer.speak, in the process that serves; `second` in the same voice again
    pipe              the clip to that process, and back an answer that took no work: the clip is silent, so refused

It prints medians, each as a ratio to upstream in the same round too, where the time goes, and whether the samples are
upstream's. --small takes small models: no time is worth reading then, but all is run.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # as in the engine's process
os.environ["TQDM_DISABLE"] = os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
sys.path.pop(0)  # or this very file would be taken for upstream's package
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import soundfile
import torch
from support.tiny_chatterbox import shrink

from benchmarks.chatterbox_weights import weights
from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_core.types import Pcm, Utterance
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.child.loading import chosen_device, load_engine
from chatterbox_api_synth_chatterbox.models import MODELS, RATE_HZ, TOKENS_PER_S
from chatterbox_api_synth_chatterbox.synthesizer import ChatterboxSynthesizer
from chatterbox_api_testkit.sounds import prompt, voice_like, wav

TESTS: Final = Path(__file__).parents[1] / "tests"
TEXT: Final = "The birds are singing again, my friends."
TOKENS: Final = 25
CLIP_S: Final = 10
TURBO_ENDS_AT: Final = TOKENS - (375 - 25 * CLIP_S)
"""Turbo counts from the beginning of its prompt, and the weights are made for one of 15 s."""
PARTS: Final = ("preparation", "S3Gen", "watermark")

WAYS: Final = ("upstream", "engine, first", "engine, second", "process, first", "process, second", "pipe")

NOTES: Final = f"""\
Random weights take the time of trained ones, step by step. They do not show how it sounds, where speech ends (here it
ends after {TOKENS} tokens because the weights are made so), nor how long a sentence is. A longer sentence makes the
preparation a smaller part of the whole. A clip beyond ten seconds costs upstream more at each sentence, ours once."""


class Stopwatch:
    """The seconds that parts of one upstream model take, whoever calls them."""

    def __init__(self, tts: Any) -> None:
        self._tts, self.parts = tts, dict.fromkeys(PARTS, 0.0)
        for part, owner, name in (
            ("preparation", tts, "prepare_conditionals"),
            ("S3Gen", tts.s3gen, "inference"),
            ("watermark", tts.watermarker, "apply_watermark"),
        ):
            setattr(owner, name, self._timed(part, getattr(owner, name)))

    def _timed(self, part: str, upstream: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.measured() as took_s:
                result = upstream(*args, **kwargs)
            self.parts[part] += took_s[0]
            return result

        return timed

    @contextmanager
    def measured(self) -> Iterator[list[float]]:
        """Seconds of the block, once it has ended and the device has too."""
        took_s: list[float] = []
        began_s = time.perf_counter()
        yield took_s
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        took_s.append(time.perf_counter() - began_s)


class Bench:
    """Both engines, and what they took.

    Attributes:
        seconds: of each way, one for each round.
        parts: the same of each way in this process, by part; T3 is all that is no other part.
        same: whether the samples were upstream's, for each way.
        sound_s: the seconds spoken.
    """

    def __init__(self, engine: Engine, synthesizer: ChatterboxSynthesizer, clip: Path) -> None:
        self._engine, self._synthesizer, self._clip_path = engine, synthesizer, clip
        self._tts: Any = engine.tts  # upstream's own object, which both use
        samples, sample_rate_hz = soundfile.read(clip, dtype="float32")  # as upstream reads it
        self._samples, self._clip = torch.from_numpy(samples), Pcm(memoryview(samples), sample_rate_hz)
        self._watch = Stopwatch(self._tts)
        self.seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        self.parts: dict[str, dict[str, list[float]]] = {}
        self.same: dict[str, bool] = {}
        self.sound_s: list[float] = []

    async def round(self, number: int, *, keep: bool) -> None:
        voice, key = b"", f"{number:064x}"
        sound = torch.empty(0)

        async def upstream() -> torch.Tensor:
            torch.manual_seed(number)
            language = {"language_id": "en"} if self._tts.t3.hp.is_multilingual else {}
            result: torch.Tensor = self._tts.generate(TEXT, audio_prompt_path=str(self._clip_path), **language)[0]
            return result

        async def first() -> torch.Tensor:
            nonlocal voice
            voice = self._engine.prepare(self._samples, self._clip.sample_rate_hz)
            return await second()

        async def second() -> torch.Tensor:
            return self._engine.speak(Request(TEXT, number), voice, lambda: None).samples

        async def process() -> torch.Tensor:
            utterance = Utterance(TEXT, seed=number)
            parts = [pcm.samples async for pcm in self._synthesizer.speak(utterance, prompt(self._clip, key=key))]
            return torch.frombuffer(bytearray(b"".join(parts)), dtype=torch.float32)

        async def pipe() -> torch.Tensor:
            silence = Pcm.silence(self._clip.duration_s, sample_rate_hz=self._clip.sample_rate_hz)
            try:
                await anext(self._synthesizer.speak(Utterance(TEXT), prompt(silence, key="silence")))
            except InvalidAudio:
                return sound
            raise AssertionError("silence was taken for a voice")

        calls: tuple[Callable[[], Awaitable[torch.Tensor]], ...] = (upstream, first, second, process, process, pipe)
        for way, call in zip(WAYS, calls, strict=True):
            before = dict(self._watch.parts)
            with self._watch.measured() as took_s:
                result = await call()
            if way == "upstream":
                sound = result
                self._remove_hooks()
            self.same[way] = self.same.get(way, True) and torch.equal(result, sound)
            if keep:
                self.seconds[way].append(took_s[0])
                self.sound_s.append(len(sound) / RATE_HZ)
                self._keep_parts(way, before, took_s[0], tokens=_tokens(sound, turbo=self._tts.t3.is_gpt))

    def _remove_hooks(self) -> None:
        """Those that upstream's multilingual model leaves at each sentence; they would slow down all that follows."""
        for layer in getattr(self._tts.t3.tfmr, "layers", ()):
            layer.self_attn._forward_hooks.clear()

    def _keep_parts(self, way: str, before: dict[str, float], took_s: float, *, tokens: int) -> None:
        taken = {part: self._watch.parts[part] - before[part] for part in PARTS}
        taken["T3, a token"] = (took_s - sum(taken.values())) / tokens
        for part, seconds in taken.items():
            self.parts.setdefault(way, {}).setdefault(part, []).append(seconds)


def _tokens(sound: torch.Tensor, *, turbo: bool) -> int:
    """That were drawn for a sound; Turbo's ends with three more."""
    return max(1, len(sound) * TOKENS_PER_S // RATE_HZ - (3 if turbo else 0))


def report(bench: Bench) -> None:
    base = bench.seconds["upstream"]
    title = f"{statistics.median(bench.sound_s):.1f} s of sound"
    print(f"\n| {title:17} |       s | of upstream | samples |\n|---|--:|--:|---|")
    for way, seconds in bench.seconds.items():
        ratio = statistics.median(ours / theirs for ours, theirs in zip(seconds, base, strict=True))
        same = "" if way == "pipe" else "the same" if bench.same[way] else "OTHERS"
        print(f"| {way:17} | {statistics.median(seconds):7.3f} | {ratio:11.3f} | {same:8} |")
    ways = WAYS[:3]
    print("\n| seconds     | " + " | ".join(f"{way:14}" for way in ways) + " |\n|---|--:|--:|--:|")
    for part in bench.parts["upstream"]:
        cells = (f"{statistics.median(bench.parts[way][part]):14.4f}" for way in ways)
        print(f"| {part:11} | " + " | ".join(cells) + " |")
    preparation = [part / whole for part, whole in zip(bench.parts["upstream"]["preparation"], base, strict=True)]
    saved = [1 - ours / theirs for ours, theirs in zip(bench.seconds["engine, second"], base, strict=True)]
    print(
        f"\nPreparation is {100 * statistics.median(preparation):.0f} % of upstream's time. The second sentence in a "
        f"voice has none: it takes {100 * statistics.median(saved):.0f} % less.\n\n{NOTES}"
    )


@asynccontextmanager
async def benches(arguments: argparse.Namespace, temporary: Path) -> AsyncIterator[Bench]:
    """Both engines, loaded."""
    model, device = arguments.model, chosen_device(arguments.device)
    ends_at = TURBO_ENDS_AT if model == "turbo" else TOKENS
    path = str(weights(arguments.folder or temporary, model, ends_at=ends_at, small=arguments.small))
    if arguments.small:
        import chatterbox  # noqa: F401 — small models are made by classes that are there

        shrink()
    clip = temporary / "clip.wav"
    clip.write_bytes(wav(voice_like(150, CLIP_S, sample_rate_hz=24_000)))
    engine = load_engine(MODELS[model], folder=path, device=device, report=lambda _: None)
    small = {"PYTHONPATH": os.pathsep.join((str(TESTS / "support" / "tiny_site"), os.environ.get("PYTHONPATH", "")))}
    async with ChatterboxSynthesizer.open(
        model=model, folder=path, device=device, environment=small if arguments.small else None
    ) as synthesizer:
        yield Bench(engine, synthesizer, clip)


async def run(arguments: argparse.Namespace, temporary: Path) -> None:
    async with benches(arguments, temporary) as bench:
        await bench.round(0, keep=False)  # loads, and warms up
        for number in range(1, arguments.rounds + 1):
            await bench.round(number, keep=True)
            print(f"round {number} of {arguments.rounds}", flush=True)
        title = MODELS[arguments.model].title
        print(f"\n{title}, {arguments.rounds} rounds, {torch.get_num_threads()} threads, torch {torch.__version__}")
        report(bench)
    if not all(bench.same[way] for way in WAYS[:5]):
        raise SystemExit("some samples were not upstream's")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", choices=MODELS, default="turbo")
    parser.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keeps the weights, and uses those that are there")
    parser.add_argument("--small", action="store_true", help="small models, to see that all runs")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # upstream's, of its own libraries
    with tempfile.TemporaryDirectory() as temporary:
        asyncio.run(run(arguments, Path(temporary)))


if __name__ == "__main__":
    main()
