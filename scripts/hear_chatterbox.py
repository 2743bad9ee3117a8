"""Hear a Chatterbox model on this machine, and check what only its trained weights can show.

    hatch run chatterbox:hear heard --clip low.wav --clip high.wav [--model multilingual]

Speaks a handful of texts in the model's own voice and in the voice of each clip, and, with the multilingual model, a
sentence of each language. FOLDER gets the sounds and an index.html to listen to them. Then it checks that speech ends
by itself, that clones have the pitch and the speaker of their clips, and the like; the code is 1 where a check fails.
The weights come from --model-dir, CHATTERBOX_MODEL_DIR, or the Hugging Face Hub. On a CPU it takes several minutes.
"""

from __future__ import annotations

import argparse
import html
import importlib
import importlib.util
import os
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

os.environ["TQDM_DISABLE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import soundfile
import torch

from chatterbox_api_core.errors import ChatterboxError
from chatterbox_api_core.types import ClipLimits, Pcm
from chatterbox_api_encoders.clip_reader import InProcessClipReader
from chatterbox_api_synth_chatterbox.child.engine import Engine, Request
from chatterbox_api_synth_chatterbox.child.loading import chosen_device, load_engine
from chatterbox_api_synth_chatterbox.models import MODELS, RATE_HZ, max_tokens
from scripts import hearing_checks as checks
from scripts.hearing_checks import Check, Take, Voice
from scripts.hearing_texts import LANGUAGES, TEXTS

OWN: Final = "the model's own"
SEEDS: Final = (1, 2, 3)


def main() -> int:
    warnings.simplefilter("ignore")  # upstream's, of its own libraries
    arguments = _arguments()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        device = chosen_device(arguments.device)
        engine = load_engine(MODELS[arguments.model], folder=arguments.model_dir, device=device, report=print)
        tts: Any = engine.tts  # upstream's own object
        voices = [Voice(OWN)] if tts.conds is not None else []
        voices += [_voice_of(engine, path) for path in arguments.clip]
    except ChatterboxError as error:
        raise SystemExit(f"{error.message} {error.remedy or ''}") from error
    if not voices:
        raise SystemExit("This model has no voice of its own: give it one with --clip.")
    takes = [_spoken(engine, *what) for what in _programme(arguments.model, voices)]
    for number, take in enumerate(takes):
        soundfile.write(folder / f"{number:02d}.wav", take.pcm.samples, RATE_HZ, subtype="PCM_16")
    found = [*_measured(takes, voices, tts), *_repeated(engine, voices[0]), _parity(engine, tts, device)]
    title = f"{MODELS[arguments.model].title} on {device}"
    (folder / "index.html").write_text(_page(title, takes, found), "utf-8")
    print(f"\n{_table(found)}\n\nListen: {folder / 'index.html'}")
    return int(any(check.verdict == "FAIL" for check in found))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clip", type=Path, action="append", default=[], help="a voice; give a low and a high one")
    parser.add_argument("--model", choices=MODELS, default=os.environ.get("CHATTERBOX_MODEL", "original"))
    parser.add_argument("--model-dir", default=os.environ.get("CHATTERBOX_MODEL_DIR", ""))
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "mps", "cpu"))
    return parser.parse_args()


def _voice_of(engine: Engine, path: Path) -> Voice:
    clip = InProcessClipReader().decode(path.read_bytes(), limits=ClipLimits()).pcm
    return Voice(path.stem, clip, engine.prepare(torch.from_numpy(np.array(clip.samples)), clip.sample_rate_hz))


def _programme(model: str, voices: Sequence[Voice]) -> Iterator[tuple[Voice, str, str, str]]:
    """Voice, kind, text and language of each take."""
    for voice in voices:
        for kind, text in TEXTS.items():
            yield voice, kind, text, "en"
    for language in MODELS[model].languages:
        if language.tag in LANGUAGES and (language.tag != "ja" or importlib.util.find_spec("pykakasi")):
            yield voices[0], language.tag, LANGUAGES[language.tag], language.tag


def _spoken(engine: Engine, voice: Voice, kind: str, text: str, language: str) -> Take:
    began_s = time.perf_counter()
    speech = engine.speak(Request(text, SEEDS[0], language), voice.prepared, lambda: None)
    took_s = time.perf_counter() - began_s
    take = Take(kind, text, voice, _pcm(speech.samples), len(speech.tokens), max_tokens(text), took_s)
    print(f"{voice.name:16} {kind:9} {take.pcm.duration_s:5.1f} s of sound in {took_s:5.1f} s", flush=True)
    return take


def _pcm(samples: torch.Tensor) -> Pcm:
    return Pcm(memoryview(samples.contiguous().numpy()), RATE_HZ)


def _measured(takes: Sequence[Take], voices: Sequence[Voice], tts: Any) -> Iterator[Check]:
    clips = [(voice, voice.clip) for voice in voices if voice.clip is not None]
    heard = [take for take in takes if checks.heard(take)]
    speakers = _Speakers(tts.ve)
    yield checks.spoken(takes)
    yield checks.ends(takes)
    for voice in voices:
        yield checks.length(takes, voice)
        yield checks.pace(takes, voice)
    for voice, clip in clips:
        yield checks.pitch(takes, voice, clip)
        yield checks.similarity(heard, voice, clip, speakers.cosine)
    yield checks.pitch_order(takes, clips)
    yield checks.watermark(heard, lambda pcm: _marked(tts, pcm))
    yield checks.loudness(heard)
    yield checks.speed(heard)


def _marked(tts: Any, pcm: Pcm) -> float:
    with torch.inference_mode():
        bits = tts.watermarker.get_watermark(np.array(pcm.samples), pcm.sample_rate_hz, round=False)
    return float(bits.mean())


class _Speakers:
    """Who speaks, as upstream's voice encoder hears it; each sound is heard once."""

    def __init__(self, encoder: Any) -> None:
        self._encoder, self._rate_hz = encoder, encoder.hp.sample_rate
        self._heard: dict[int, torch.Tensor] = {}

    def cosine(self, one: Pcm, other: Pcm) -> float:
        return float(self._speaker(one) @ self._speaker(other))

    def _speaker(self, pcm: Pcm) -> torch.Tensor:
        if id(pcm) not in self._heard:
            resample = importlib.import_module("librosa").resample
            wav = resample(np.array(pcm.samples), orig_sr=pcm.sample_rate_hz, target_sr=self._rate_hz)
            self._heard[id(pcm)] = torch.from_numpy(self._encoder.embeds_from_wavs([wav], sample_rate=self._rate_hz)[0])
        return self._heard[id(pcm)]


def _repeated(engine: Engine, voice: Voice) -> Iterator[Check]:
    """A seed repeats a take, and another seed makes another."""
    first, again, other = (
        engine.speak(Request(TEXTS["short"], seed), voice.prepared, lambda: None) for seed in (1, 1, 2)
    )
    same = first.tokens == again.tokens
    away = float((first.samples - again.samples).abs().max()) if same else float("inf")
    measured = f"{'the same' if same else 'other'} tokens, samples {away:.0e} apart"
    yield Check("a seed repeats a take", measured, "the same tokens, 0.001 apart at most", _verdict(away <= 1e-3))
    measured = "the same tokens" if other.tokens == first.tokens else "other tokens"
    yield Check("another seed, another take", measured, "other tokens", _verdict(other.tokens != first.tokens))


def _parity(engine: Engine, tts: Any, device: str) -> Check:
    """Our loop and upstream's, in the model's own voice. A GPU may round otherwise, and then a token tips over."""
    name, expected = "tokens are upstream's", f"{len(SEEDS)} of {len(SEEDS)} seeds; a GPU may round otherwise"
    if tts.conds is None:
        return Check(name, "not measured: the model has no voice of its own", expected, "-")
    same, alike = 0, []
    for seed in SEEDS:
        ours = engine.speak(Request(TEXTS["sentence"], seed), None, lambda: None).tokens
        theirs = _upstream_tokens(tts, TEXTS["sentence"], seed)[: max_tokens(TEXTS["sentence"])]
        same += ours == theirs
        pairs = zip(ours, theirs, strict=False)
        alike.append(next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(ours), len(theirs))))
    measured = f"{same} of {len(SEEDS)} seeds; the first {min(alike)} tokens of all"
    return Check(name, measured, expected, "ok" if same == len(SEEDS) else "FAIL" if device == "cpu" else "look")


def _upstream_tokens(tts: Any, text: str, seed: int) -> tuple[int, ...]:
    """What upstream's `generate` has its T3 draw, but for the mark of the end."""
    with _kept(tts.t3, "inference_turbo" if tts.t3.is_gpt else "inference") as drawn:
        torch.manual_seed(seed)
        tts.generate(text, **({"language_id": "en"} if tts.t3.hp.is_multilingual else {}))
    tokens = drawn[0][0].tolist()
    return tuple(tokens[:-1] if tokens[-1:] == [tts.t3.hp.stop_speech_token] else tokens)


@contextmanager
def _kept(owner: Any, name: str) -> Iterator[list[Any]]:
    """What a method returns, while the block runs."""
    kept: list[Any] = []
    upstream = getattr(owner, name)

    def keep(*args: Any, **kwargs: Any) -> Any:
        kept.append(upstream(*args, **kwargs))
        return kept[-1]

    setattr(owner, name, keep)
    try:
        yield kept
    finally:
        delattr(owner, name)


def _verdict(good: bool) -> checks.Verdict:
    return "ok" if good else "FAIL"


def _rows(found: Sequence[Check]) -> list[tuple[str, str, str, str]]:
    return [(each.name, each.measured, each.expected, each.verdict) for each in found]


def _table(found: Sequence[Check]) -> str:
    rows = [("check", "measured", "expected", "verdict"), *_rows(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)


def _page(title: str, takes: Sequence[Take], found: Sequence[Check]) -> str:
    head = ("voice", "text", "listen", "seconds", "tokens", "seconds to compute, for each of sound")
    lines = [
        f"<tr><td>{html.escape(take.voice.name)}<td dir=auto>{html.escape(take.text)}"
        f"<td><audio controls preload=none src={number:02d}.wav></audio><td>{take.pcm.duration_s:.1f}"
        f"<td>{take.tokens} of {take.bound}<td>{take.took_s / max(0.01, take.pcm.duration_s):.2f}"
        for number, take in enumerate(takes)
    ]
    rows = ["<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in row) for row in _rows(found)]
    return f"""<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>
<style>body {{ font: 1rem system-ui; margin: 2rem }} td, th {{ padding: .3rem .8rem; text-align: start }}</style>
<h1>{html.escape(title)}</h1>
<table><tr>{"".join(f"<th>{cell}" for cell in head)}
{chr(10).join(lines)}</table>
<h2>Checks</h2>
<table><tr><th>check<th>measured<th>expected<th>verdict
{chr(10).join(rows)}</table>
"""


if __name__ == "__main__":
    sys.exit(main())
