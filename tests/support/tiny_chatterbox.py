"""Small models of the real classes, with random weights: every `forward` is upstream's own, only sizes are changed.

They show what does not depend on what a model has learned: tokens, isolation, failures, memory, the watermark. They
say nothing about how it sounds, when it stops or how long it speaks. To have an end at all, `ends_at` plants one.

    python -m support.tiny_chatterbox FOLDER      writes FOLDER/original, FOLDER/multilingual and FOLDER/turbo
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["decide", "plant_end", "shrink", "write_weights", "written_weights"]

_HIDDEN, _LAYERS, _HEADS = 64, 2, 4
_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,!?'\"-()"
_END, _FIRST_MARK = 6562, 6561
_TURBO_PROMPT = 375
_TURBO_TEXT = 24
_LOUD = 4.0
_TESTS = Path(__file__).parents[1]


def shrink() -> None:
    """Make upstream's classes build small models, in this process. Call it once, after chatterbox is imported."""
    import chatterbox.models.s3gen.s3gen as s3gen
    import chatterbox.models.s3gen.transformer.upsample_encoder as upsample
    import chatterbox.models.t3.inference.alignment_stream_analyzer as alignment
    import chatterbox.models.t3.llama_configs as configs
    import chatterbox.models.t3.modules.cond_enc as cond_enc
    import s3tokenizer.model_v2 as tokenizer

    def smaller(module: Any, name: str, **sizes: Any) -> None:
        upstream = getattr(module, name)
        setattr(module, name, lambda *args, **kwargs: upstream(*args, **{**kwargs, **sizes}))

    configs.LLAMA_520M_CONFIG_DICT.update(
        hidden_size=_HIDDEN,
        intermediate_size=2 * _HIDDEN,
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        num_key_value_heads=_HEADS,
        head_dim=_HIDDEN // _HEADS,
    )
    configs.GPT2_MEDIUM_CONFIG.update(n_embd=_HIDDEN, hidden_size=_HIDDEN, n_head=_HEADS, n_layer=_LAYERS)
    alignment.LLAMA_ALIGNED_HEADS[:] = [(_LAYERS - 1, _HEADS - 1), (_LAYERS - 1, 0), (0, _HEADS // 2)]
    smaller(cond_enc, "Perceiver", pre_attention_query_size=_HIDDEN, embedding_dim=_HIDDEN)
    smaller(s3gen, "CausalMaskedDiffWithXvec", input_size=64)
    smaller(
        s3gen,
        "UpsampleConformerEncoder",
        input_size=64,
        output_size=64,
        attention_heads=2,
        linear_units=64,
        num_blocks=1,
    )
    smaller(upsample, "PreLookaheadLayer", channels=64)
    smaller(upsample, "Upsample1D", channels=64, out_channels=64)
    smaller(
        s3gen, "ConditionalDecoder", channels=[32], n_blocks=1, num_mid_blocks=1, num_heads=2, attention_head_dim=16
    )
    smaller(s3gen, "CAMPPlus", growth_rate=4, bn_size=1, init_channels=16)
    smaller(s3gen, "ConvRNNF0Predictor", cond_channels=16)
    smaller(s3gen, "HiFTGenerator", base_channels=32)
    config = tokenizer.S3TokenizerV2.__init__.__defaults__[0]
    config.n_audio_state, config.n_audio_head, config.n_audio_layer = 128, 2, 1


def write_weights(folder: Path, *, ends_at: int | None = None, peak: float = 6.0) -> None:
    """Write the three models, each in the files that its `from_local` reads.

    Args:
        ends_at: the token at which speech ends; None for never.
        peak: how decided the choice of a token is; 1 makes all nearly alike.
    """
    import torch
    from chatterbox.models.s3gen import S3Gen
    from chatterbox.models.t3 import T3
    from chatterbox.models.t3.modules.t3_config import T3Config
    from chatterbox.models.voice_encoder import VoiceEncoder
    from chatterbox.mtl_tts import SUPPORTED_LANGUAGES
    from safetensors.torch import save_file

    def seeded(make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        torch.manual_seed(0)
        return make(*args, **kwargs)

    def state(module: Any) -> dict[str, Any]:
        return {name: value.detach().clone().contiguous() for name, value in module.state_dict().items()}

    turbo = T3Config(text_tokens_dict_size=50276)
    turbo.llama_config_name, turbo.speech_tokens_dict_size, turbo.input_pos_emb = "GPT2_medium", 6563, None
    turbo.speech_cond_prompt_len, turbo.use_perceiver_resampler, turbo.emotion_adv = _TURBO_PROMPT, False, False
    voice_encoder = state(seeded(VoiceEncoder))
    for name, config in (("original", None), ("multilingual", T3Config.multilingual()), ("turbo", turbo)):
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        t3 = seeded(T3, config)
        with torch.no_grad():
            _tame(t3)
            decide(t3, peak)
            if ends_at is not None:
                plant_end(t3, ends_at)
        s3gen = state(seeded(S3Gen, meanflow=name == "turbo"))
        _write_builtin_voice(path / "conds.pt", prompt=_TURBO_PROMPT if name == "turbo" else 150)
        if name == "original":
            save_file(voice_encoder, path / "ve.safetensors")
            save_file(state(t3), path / "t3_cfg.safetensors")
            save_file(s3gen, path / "s3gen.safetensors")
            _write_tokenizer(path / "tokenizer.json", 704)
        elif name == "multilingual":
            torch.save(voice_encoder, path / "ve.pt")
            save_file(state(t3), path / "t3_mtl23ls_v2.safetensors")
            torch.save(s3gen, path / "s3gen.pt")
            marks = [*SUPPORTED_LANGUAGES, *(f"cj_{letter}" for letter in ".abcdefghijklmnopqrstuvwxyz")]
            _write_tokenizer(path / "grapheme_mtl_merged_expanded_v1.json", 2454, marks)
            (path / "Cangjie5_TC.json").write_text(json.dumps(["你\tonf", "好\tvnd"]), "utf-8")
        else:
            save_file(voice_encoder, path / "ve.safetensors")
            save_file(state(t3), path / "t3_turbo_v1.safetensors")
            save_file(s3gen, path / "s3gen_meanflow.safetensors")
            _write_gpt2_tokenizer(path)


def written_weights(folder: Path, *, ends_at: int) -> Path:
    """Have a process of its own write the models, for tests whose process is to stay without torch."""
    command = [sys.executable, "-m", "support.tiny_chatterbox", str(folder), str(ends_at)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join((str(_TESTS), *sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert not done.returncode, done.stderr
    return folder


def decide(t3: Any, peak: float) -> None:
    """Make the choice of a token `peak` times as decided as it is."""
    t3.speech_head.weight[:_FIRST_MARK] *= peak


def _tame(t3: Any) -> None:
    """Heed what came before; and never draw a mark, which upstream's multilingual model would hand on to S3Gen."""
    for layer in t3.tfmr.h if t3.is_gpt else t3.tfmr.layers:
        for weight in layer.parameters():
            if weight.dim() == 2:
                weight *= 1 / (0.02 * _HIDDEN**0.5)
    head = t3.speech_head
    head.weight[_FIRST_MARK:] = 0
    if head.bias is not None:
        head.bias.zero_()
        head.bias[_FIRST_MARK:] = -1e4


def plant_end(t3: Any, ends_at: int) -> None:
    """Give one dimension to the position of the sound, kept free of all else, and have the end's logit read it.

    Turbo counts the text's positions too: it ends at `ends_at` after 24 characters, earlier after more.
    """
    positions = t3.tfmr.wpe.weight if t3.is_gpt else t3.speech_pos_emb.emb.weight
    others = [t3.speech_emb.weight, t3.text_emb.weight]
    if not t3.is_gpt:
        others.append(t3.text_pos_emb.emb.weight)
    for weight in others:
        weight[:, 0] = 0
    first = ends_at + (1 + _TURBO_PROMPT + _TURBO_TEXT if t3.is_gpt else 0)
    positions[:, 0] = -_LOUD
    positions[first:, 0] = _LOUD
    if t3.is_gpt:
        for layer in t3.tfmr.h:
            for projection in (layer.attn.c_proj, layer.mlp.c_proj):
                projection.weight[:, 0] = 0
                projection.bias[0] = 0
        t3.speech_head.bias[_END] = 0
    else:
        for layer in t3.tfmr.layers:
            layer.self_attn.o_proj.weight[0] = 0
            layer.mlp.down_proj.weight[0] = 0
    t3.speech_head.weight[:, 0] = 0
    t3.speech_head.weight[_END, 0] = 50


def _write_builtin_voice(path: Path, *, prompt: int) -> None:
    import torch
    from chatterbox.models.t3.modules.cond_enc import T3Cond
    from chatterbox.tts import Conditionals

    generator = torch.Generator().manual_seed(1)
    speaker = torch.randn(1, 256, generator=generator)
    tokens = 50
    gen = {
        "prompt_token": torch.randint(0, _FIRST_MARK, (1, tokens), generator=generator),
        "prompt_token_len": torch.tensor([tokens]),
        "prompt_feat": torch.randn(1, 2 * tokens, 80, generator=generator),
        "prompt_feat_len": None,
        "embedding": torch.randn(1, 192, generator=generator),
    }
    t3 = T3Cond(
        speaker_emb=speaker / speaker.norm(),
        cond_prompt_speech_tokens=torch.randint(0, _FIRST_MARK, (1, prompt), generator=generator),
        emotion_adv=0.5 * torch.ones(1, 1, 1),
    )
    Conditionals(t3, gen).save(path)


def _write_tokenizer(path: Path, size: int, marks: list[str] | None = None) -> None:
    from tokenizers import Tokenizer, models

    words = ["[STOP]", "[UNK]", "[SPACE]", *_CHARACTERS, *(f"[{mark}]" for mark in marks or [])]
    vocabulary = {word: number for number, word in enumerate(words)}
    vocabulary |= {f"[X{number}]": number for number in range(len(words), 255)}
    vocabulary["[START]"] = 255
    vocabulary |= {f"[X{number}]": number for number in range(256, size)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))
    tokenizer.add_special_tokens([word for word in vocabulary if word[0] == "[" and not word.startswith("[X")])
    tokenizer.save(str(path))


def _write_gpt2_tokenizer(path: Path) -> None:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    end = "<|endoftext|>"
    vocabulary = {character: number for number, character in enumerate(bytes_to_unicode().values())}
    vocabulary[end] = len(vocabulary)
    (path / "vocab.json").write_text(json.dumps(vocabulary))
    (path / "merges.txt").write_text("#version: 0.2\n")
    config = {"tokenizer_class": "GPT2Tokenizer", "model_max_length": 1024}
    (path / "tokenizer_config.json").write_text(
        json.dumps({**config, "unk_token": end, "bos_token": end, "eos_token": end})
    )


if __name__ == "__main__":
    shrink()
    write_weights(Path(sys.argv[1]), ends_at=int(sys.argv[2]) if len(sys.argv) > 2 else None)
