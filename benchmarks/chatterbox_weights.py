"""Random weights of full size for the benchmark of the engine chatterbox."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Final

import torch
from support.tiny_chatterbox import decide, plant_end, written_weights

from chatterbox_api_synth_chatterbox.models import MODELS
from chatterbox_api_synth_chatterbox.weights import missing_files

__all__ = ["weights"]

_FIRST_MARK: Final = 6561
_PEAK: Final = 6.0


def weights(folder: Path, model: str, *, ends_at: int, small: bool) -> Path:
    """The folder of a model's files; what is there is taken as it is, and what is missing made.

    Args:
        ends_at: the token at which its speech ends, as `plant_end` counts.
        small: of a small model, some megabytes.
    """
    path = folder / model
    if missing_files(MODELS[model], path):
        print(f"making weights in {path}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as new:
            made = written_weights(Path(new), ends_at=ends_at) / model
            if not small:
                _enlarge(made, model, ends_at=ends_at)
            made.rename(path)
    return path


def _enlarge(path: Path, model: str, *, ends_at: int) -> None:
    """Put T3 and S3Gen of full size in the place of the small ones; all else is the same for both."""
    from chatterbox.models.s3gen import S3Gen
    from chatterbox.models.t3 import T3
    from chatterbox.models.t3.modules.t3_config import T3Config
    from safetensors.torch import save_file

    torch.manual_seed(0)
    t3_file, s3gen_file, config = {
        "original": ("t3_cfg.safetensors", "s3gen.safetensors", T3Config.english_only),
        "multilingual": ("t3_mtl23ls_v2.safetensors", "s3gen.pt", T3Config.multilingual),
        "turbo": ("t3_turbo_v1.safetensors", "s3gen_meanflow.safetensors", _turbo),
    }[model]
    t3 = T3(config())
    with torch.no_grad():
        decide(t3, _PEAK)
        _draw_no_marks(t3.speech_head)
        plant_end(t3, ends_at)
    save_file(_state(t3), path / t3_file)
    del t3
    save = torch.save if s3gen_file.endswith(".pt") else save_file
    save(_state(S3Gen(meanflow=model == "turbo")), path / s3gen_file)


def _turbo() -> Any:
    """As upstream's `from_local` has it."""
    from chatterbox.models.t3.modules.t3_config import T3Config

    config: Any = T3Config(text_tokens_dict_size=50276)
    config.llama_config_name, config.speech_tokens_dict_size, config.input_pos_emb = "GPT2_medium", 6563, None
    config.speech_cond_prompt_len, config.use_perceiver_resampler, config.emotion_adv = 375, False, False
    return config


def _draw_no_marks(head: Any) -> None:
    """Random weights would, and upstream's multilingual model hands them on to S3Gen, which has no sound for them."""
    head.weight[_FIRST_MARK:] = 0
    if head.bias is not None:
        head.bias.zero_()
        head.bias[_FIRST_MARK:] = -1e4


def _state(module: Any) -> dict[str, Any]:
    return {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}
