"""A voice as the models see it: what is computed once from its clip, and carried as bytes.

Bytes, because whoever speaks gets a copy of its own: the models change what they are given.
"""

from __future__ import annotations

import io
from typing import Any, Final

import torch
from safetensors.torch import load, save

from chatterbox_api_core.errors import InvalidAudio
from chatterbox_api_synth_chatterbox.models import MAX_CLIP_S, Model

__all__ = ["analysed", "check_clip", "from_bytes", "to_bytes"]

_SILENT: Final = 10 ** (-60 / 20)


def check_clip(samples: torch.Tensor, sample_rate_hz: int, model: Model) -> torch.Tensor:
    """The part of a clip that is worth hearing, of shape (n,). Raises InvalidAudio for one that would harm."""
    heard = samples[: round(MAX_CLIP_S * sample_rate_hz)]
    duration_s = len(heard) / sample_rate_hz
    if duration_s <= model.min_clip_s:
        raise InvalidAudio(
            f"{model.title} needs a clip of more than {model.min_clip_s:g} s; this one has {duration_s:.1f} s.",
            code="audio_too_short",
            field="voice",
            remedy="Record 10 seconds of one person speaking.",
        )
    if not bool(torch.isfinite(heard).all()):
        raise InvalidAudio(
            "The clip of this voice contains samples that are not numbers.", code="audio_damaged", field="voice"
        )
    if float((heard - heard.mean()).abs().max()) < _SILENT:
        raise InvalidAudio(
            f"The clip of this voice is silent{'' if len(heard) == len(samples) else f' for {MAX_CLIP_S:g} s'}.",
            code="audio_silent",
            field="voice",
            remedy="Record 10 seconds of one person speaking.",
        )
    return heard


def analysed(tts: Any, samples: torch.Tensor, sample_rate_hz: int) -> bytes:
    """What a model makes of a clip. Upstream's own function does it, and leaves no trace in the model."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples.numpy(), sample_rate_hz, format="WAV", subtype="FLOAT")
    file.seek(0)
    own = tts.conds
    try:
        with torch.inference_mode():
            tts.prepare_conditionals(file)
        return to_bytes(tts.conds)
    finally:
        tts.conds = own


def to_bytes(conditionals: Any) -> bytes:
    """Upstream's Conditionals as bytes; what is not a tensor is not kept."""
    parts = {"t3": vars(conditionals.t3), "gen": conditionals.gen}
    return bytes(
        save(
            {
                f"{part}.{name}": value.detach().cpu().contiguous().clone()
                for part, values in parts.items()
                for name, value in values.items()
                if torch.is_tensor(value) and (part, name) != ("t3", "cond_prompt_speech_emb")
            }
        )
    )


def from_bytes(data: bytes, *, device: torch.device, exaggeration: float | None) -> tuple[Any, dict[str, Any]]:
    """A fresh T3Cond and a fresh S3Gen reference.

    Args:
        exaggeration: None for models that do not know it.
    """
    from chatterbox.models.t3.modules.cond_enc import T3Cond

    t3: dict[str, Any] = {}
    gen: dict[str, Any] = {"prompt_feat_len": None}
    for key, value in load(data).items():
        part, _, name = key.partition(".")
        (t3 if part == "t3" else gen)[name] = value.to(device)
    if exaggeration is not None:
        t3["emotion_adv"] = torch.full((1, 1, 1), exaggeration, device=device)
    return T3Cond(**t3), gen
