"""An error that nobody expects, in the middle of a stream of the running service, can be found in its log."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx
import pytest
from support.service import running_service

FAILING: Final = """
from chatterbox_api_core.errors import SynthesisFailed
from chatterbox_api_http_litestar import streaming_response
from chatterbox_api_http_litestar.bounded_send import ResponseUnreadError, send_within

sent_bytes = 0

async def fail_later(send, message, within_s):
    global sent_bytes
    await send_within(send, message, within_s)
    sent_bytes += len(message["body"])
    if sent_bytes > 9000:
        raise {error}

streaming_response.send_within = fail_later
"""


@pytest.mark.parametrize(
    ("error", "is_kept"),
    [("KeyError('unexpected')", True), ("SynthesisFailed('It failed.')", False), ("ResponseUnreadError()", False)],
)
def test_a_traceback_is_kept_if_the_error_is_unexpected(tmp_path: Path, error: str, is_kept: bool) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(FAILING.format(error=error))
    asked = {"input": "This goes on and on. " * 20, "response_format": "wav", "stream": True}
    with running_service(tmp_path, SYNTHESIZER="tone", PYTHONPATH=str(site)) as service:
        with (
            pytest.raises(httpx.TransportError),
            httpx.stream("POST", f"{service.url}/v1/audio/speech", json=asked, timeout=60) as answer,
        ):
            for _ in answer.iter_raw():
                pass
    log = service.log.read_text()
    assert "speech failed" in log
    assert ("Traceback" in log) == is_kept, log
    assert ("KeyError: 'unexpected'" in log) == is_kept
