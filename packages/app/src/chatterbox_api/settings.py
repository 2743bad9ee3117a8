"""The application's own settings. Adapters declare the others in their plug-ins."""

from __future__ import annotations

from typing import Any, Final

from chatterbox_api.web_settings import host_names, web_origins
from chatterbox_api_core.settings import Setting, integer, number, one_of, path, words

__all__ = [
    "ALL",
    "ALLOWED_HOSTS",
    "CLIP_CACHE",
    "CLIP_READER",
    "CORS_ORIGINS",
    "DRAIN_NOTICE_S",
    "DRAIN_S",
    "ENCODERS",
    "ENGINE_WAIT_S",
    "HEADER_TIMEOUT_S",
    "HOST",
    "KEEP_ALIVE_S",
    "LOG_LEVEL",
    "MAX_AUDIO_S",
    "MAX_CONNECTIONS",
    "MAX_INPUT_CHARS",
    "PARAGRAPH_PAUSE_MS",
    "PORT",
    "QUEUE_MAX",
    "QUEUE_WAIT_S",
    "SENTENCE_PAUSE_MS",
    "SPOOL_DIR",
    "SPOOL_DISK_MB",
    "SPOOL_MEMORY_MB",
    "SYNTHESIZER",
    "VOICE_SAMPLE_PATH",
    "VOICE_STORE",
    "WATERMARK_DETECTOR",
]


def _adapter(text: str) -> str:
    """An adapter's name in any case; `auto` and `none` become lower case, since they are compared with."""
    return text.lower() if text.lower() in ("auto", "none") else text


def _adapters(text: str) -> tuple[str, ...]:
    return tuple(map(_adapter, words(text)))


HOST: Final = Setting("HOST", "127.0.0.1", "The address to listen on; 0.0.0.0 is every network.", str)
PORT: Final = Setting("PORT", "4123", "The port to listen on.", integer(1, 65535))
SYNTHESIZER: Final = Setting(
    "SYNTHESIZER", "auto", "The engine, by name; auto tries chatterbox, then espeak.", _adapter
)
VOICE_STORE: Final = Setting(
    "VOICE_STORE",
    "auto",
    "Where voices are kept, by name; auto tries r2, local, then memory, where installed.",
    _adapter,
)
ENCODERS: Final = Setting(
    "ENCODERS",
    "auto",
    "Encoders by name, between commas, auto among them; the first that offers a format has it.",
    _adapters,
)
CLIP_READER: Final = Setting("CLIP_READER", "auto", "What reads clips, by name; auto tries pyav, then wav.", _adapter)
CLIP_CACHE: Final = Setting(
    "CLIP_CACHE", "auto", "What keeps clips in memory, by name; auto tries memory, then none.", _adapter
)
WATERMARK_DETECTOR: Final = Setting(
    "WATERMARK_DETECTOR", "auto", "What finds watermarks, by name; auto tries perth; none turns it off.", _adapter
)
VOICE_SAMPLE_PATH: Final = Setting(
    "VOICE_SAMPLE_PATH", "", "A clip to speak like where neither request nor library names a voice.", path
)
MAX_INPUT_CHARS: Final = Setting(
    "MAX_INPUT_CHARS", "4096", "The longest text of a request, in characters.", integer(1, 1_000_000)
)
MAX_AUDIO_S: Final = Setting(
    "MAX_AUDIO_S", "1800", "The longest sound of a request, pauses included, in seconds.", number(1, 1_000_000)
)
SPOOL_MEMORY_MB: Final = Setting(
    "SPOOL_MEMORY_MB",
    "64",
    "Memory for all sound that clients have not read yet; more goes to disk.",
    integer(0, 65_536),
)
SPOOL_DISK_MB: Final = Setting(
    "SPOOL_DISK_MB",
    "2048",
    "Temporary files for such sound, all together; beyond, requests fail.",
    integer(0, 1_048_576),
)
SPOOL_DIR: Final = Setting("SPOOL_DIR", "", "The folder of these files; empty for the system's own.", path)
QUEUE_MAX: Final = Setting("QUEUE_MAX", "64", "Requests that may wait for the engine.", integer(0, 10_000))
QUEUE_WAIT_S: Final = Setting("QUEUE_WAIT_S", "60", "The longest wait for a turn, in seconds.", number(0.1, 3600))
ENGINE_WAIT_S: Final = Setting(
    "ENGINE_WAIT_S", "120", "The longest wait for the engine's next sound, in seconds.", number(0.1, 3600)
)
SENTENCE_PAUSE_MS: Final = Setting(
    "SENTENCE_PAUSE_MS", "200", "Silence between two sentences that are spoken apart, in ms.", number(0, 10_000)
)
PARAGRAPH_PAUSE_MS: Final = Setting(
    "PARAGRAPH_PAUSE_MS", "500", "Silence between two paragraphs, in milliseconds.", number(0, 10_000)
)
DRAIN_NOTICE_S: Final = Setting(
    "DRAIN_NOTICE_S", "2", "After SIGTERM: seconds of «not ready» before the port closes.", number(0, 300)
)
DRAIN_S: Final = Setting(
    "DRAIN_S", "30", "After the port has closed: seconds that open streams may take.", number(0, 3600)
)
MAX_CONNECTIONS: Final = Setting(
    "MAX_CONNECTIONS",
    "2048",
    "Connections at once; one more closes the one that is silent longest.",
    integer(16, 100_000),
)
HEADER_TIMEOUT_S: Final = Setting(
    "HEADER_TIMEOUT_S", "20", "The longest wait for the headers of a request, in seconds.", number(0.5, 3600)
)
KEEP_ALIVE_S: Final = Setting(
    "KEEP_ALIVE_S", "75", "How long a connection stays open between two requests, in seconds.", number(0.5, 3600)
)
CORS_ORIGINS: Final = Setting(
    "CORS_ORIGINS",
    "loopback",
    "Web origins whose pages may call, between commas; loopback is this machine's pages, none, * for all.",
    web_origins,
)
ALLOWED_HOSTS: Final = Setting(
    "ALLOWED_HOSTS",
    "",
    "Names that this server is called by, between commas, * for all; loopback's and HOST always are."
    " When empty: no others if HOST is loopback, else all.",
    host_names,
)
LOG_LEVEL: Final = Setting(
    "LOG_LEVEL", "info", "debug, info, warning or error.", one_of("debug", "info", "warning", "error")
)

ALL: Final[tuple[Setting[Any], ...]] = (
    HOST,
    PORT,
    SYNTHESIZER,
    VOICE_STORE,
    ENCODERS,
    CLIP_READER,
    CLIP_CACHE,
    WATERMARK_DETECTOR,
    VOICE_SAMPLE_PATH,
    MAX_INPUT_CHARS,
    MAX_AUDIO_S,
    SPOOL_MEMORY_MB,
    SPOOL_DISK_MB,
    SPOOL_DIR,
    QUEUE_MAX,
    QUEUE_WAIT_S,
    ENGINE_WAIT_S,
    SENTENCE_PAUSE_MS,
    PARAGRAPH_PAUSE_MS,
    DRAIN_NOTICE_S,
    DRAIN_S,
    MAX_CONNECTIONS,
    HEADER_TIMEOUT_S,
    KEEP_ALIVE_S,
    ALLOWED_HOSTS,
    CORS_ORIGINS,
    LOG_LEVEL,
)
