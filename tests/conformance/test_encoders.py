"""The adapters on PyAV and soundfile keep the contracts."""

from __future__ import annotations

from chatterbox_api_encoders.clip_reader import PyavClipReader
from chatterbox_api_encoders.encoder import PyavEncoder
from chatterbox_api_encoders.vorbis import SoundfileEncoder
from chatterbox_api_testkit import ClipReaderContract, EncoderContract


class TestPyavEncoder(EncoderContract):
    encoder = PyavEncoder()
    reader = PyavClipReader()


class TestSoundfileEncoder(EncoderContract):
    encoder = SoundfileEncoder()
    reader = PyavClipReader()


class TestPyavClipReader(ClipReaderContract):
    reader = PyavClipReader()
