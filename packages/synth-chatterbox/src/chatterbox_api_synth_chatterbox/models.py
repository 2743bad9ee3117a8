"""The properties of each model that are known before it is loaded.

Sources: the signatures of `generate`, `from_local` and `from_pretrained` in chatterbox-tts 0.1.7, and the model cards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chatterbox_api_core.types import Language, ParameterSpec

__all__ = ["MAX_CLIP_S", "MODELS", "RATE_HZ", "TOKENS_PER_S", "Model", "max_tokens"]

RATE_HZ: Final = 24_000
"""The sample rate of all output of S3Gen."""
TOKENS_PER_S: Final = 25
"""Speech tokens for each second of output."""
MAX_CLIP_S: Final = 30.0
"""The part of a clip that is used. S3Gen uses 10 s and T3 6 to 15 s, but the voice encoder all: 300 s take 1.3 s."""
_MAX_TOKENS: Final = 1000
"""Upstream's limit for one call: 40 s of output."""


@dataclass(frozen=True, slots=True)
class Model:
    """One of the models.

    Attributes:
        title: the name for people.
        module, class_name: the class in chatterbox-tts.
        repository: the repository on the Hugging Face Hub.
        files: the required files. Of a tuple of names, the first that exists is used.
        extra_files: files that are downloaded too, and that the model works without.
        weights_bytes: the approximate bytes of all files, and of the model in memory.
        max_chars: the length of a text that stays well within 40 s of output in every language of the model.
        min_clip_s: a clip must be longer than this.
        languages: the languages that the model speaks.
        params: the parameters of a request that the model has, with upstream's defaults.
    """

    title: str
    module: str
    class_name: str
    repository: str
    files: tuple[str | tuple[str, ...], ...]
    extra_files: tuple[str, ...]
    weights_bytes: int
    max_chars: int
    min_clip_s: float
    languages: tuple[Language, ...]
    params: tuple[ParameterSpec, ...]


def max_tokens(text: str) -> int:
    """The most speech tokens that a text can need at the slowest natural pace.

    A model that misses the end of a short text otherwise goes on for 40 s of noise.
    """
    return min(_MAX_TOKENS, round(TOKENS_PER_S * (4.0 + 0.4 * len(text))))


def _temperature(help_: str = "Variety: low is steady, high is lively.") -> ParameterSpec:
    return ParameterSpec("temperature", "float", 0.8, 0.05, 5.0, help=help_)


def _repetition_penalty(default: float) -> ParameterSpec:
    return ParameterSpec(
        "repetition_penalty", "float", default, 1.0, 5.0, help="Above 1, sounds that have been are less likely."
    )


def _top_p(default: float) -> ParameterSpec:
    return ParameterSpec(
        "top_p", "float", default, 0.01, 1.0, help="Only the likeliest sounds that together have this probability."
    )


def _expressive(repetition_penalty: float) -> tuple[ParameterSpec, ...]:
    return (
        ParameterSpec("exaggeration", "float", 0.5, 0.0, 2.0, help="Expression; 0.5 is natural, above 1 theatrical."),
        ParameterSpec(
            "cfg_weight",
            "float",
            0.5,
            0.0,
            1.0,
            help="How closely the text leads; lower is slower and nearer to the clip's accent.",
        ),
        _temperature(),
        _repetition_penalty(repetition_penalty),
        ParameterSpec(
            "min_p", "float", 0.05, 0.0, 1.0, help="Only sounds at least this likely, compared with the likeliest."
        ),
        _top_p(1.0),
    )


_ENGLISH: Final = (Language("en", "English"),)
_23_LANGUAGES: Final = tuple(
    Language(tag, name)
    for tag, name in (
        ("ar", "Arabic"),
        ("da", "Danish"),
        ("de", "German"),
        ("el", "Greek"),
        ("en", "English"),
        ("es", "Spanish"),
        ("fi", "Finnish"),
        ("fr", "French"),
        ("he", "Hebrew"),
        ("hi", "Hindi"),
        ("it", "Italian"),
        ("ja", "Japanese"),
        ("ko", "Korean"),
        ("ms", "Malay"),
        ("nl", "Dutch"),
        ("no", "Norwegian"),
        ("pl", "Polish"),
        ("pt", "Portuguese"),
        ("ru", "Russian"),
        ("sv", "Swedish"),
        ("sw", "Swahili"),
        ("tr", "Turkish"),
        ("zh", "Chinese"),
    )
)

MODELS: Final[dict[str, Model]] = {
    "original": Model(
        title="Chatterbox",
        module="chatterbox.tts",
        class_name="ChatterboxTTS",
        repository="ResembleAI/chatterbox",
        files=("ve.safetensors", "t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json"),
        extra_files=("conds.pt",),
        weights_bytes=3_190_000_000,
        max_chars=300,
        min_clip_s=1.0,
        languages=_ENGLISH,
        params=_expressive(1.2),
    ),
    "multilingual": Model(
        title="Chatterbox Multilingual",
        module="chatterbox.mtl_tts",
        class_name="ChatterboxMultilingualTTS",
        repository="ResembleAI/chatterbox",
        files=(
            "ve.pt",
            ("t3_mtl23ls_v2.safetensors", "t3_mtl23ls_v3.safetensors"),
            "s3gen.pt",
            "grapheme_mtl_merged_expanded_v1.json",
        ),
        extra_files=("conds.pt", "Cangjie5_TC.json"),
        weights_bytes=3_210_000_000,
        max_chars=150,
        min_clip_s=1.0,
        languages=_23_LANGUAGES,
        params=_expressive(2.0),
    ),
    "turbo": Model(
        title="Chatterbox Turbo",
        module="chatterbox.tts_turbo",
        class_name="ChatterboxTurboTTS",
        repository="ResembleAI/chatterbox-turbo",
        files=("ve.safetensors", "t3_turbo_v1.safetensors", "s3gen_meanflow.safetensors", "tokenizer_config.json"),
        extra_files=(
            "conds.pt",
            "vocab.json",
            "merges.txt",
            "tokenizer.json",
            "added_tokens.json",
            "special_tokens_map.json",
        ),
        weights_bytes=2_980_000_000,
        max_chars=300,
        min_clip_s=5.0,
        languages=_ENGLISH,
        params=(
            _temperature(),
            ParameterSpec("top_k", "int", 1000, 1, 6563, help="Only this many of the likeliest sounds."),
            _top_p(0.95),
            _repetition_penalty(1.2),
        ),
    ),
}
