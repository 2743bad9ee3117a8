"""The process that owns the model: `python -m chatterbox_api_synth_chatterbox.child CONFIG`; see `wire` for its frames.

A process of its own, because a model can hang, fill memory or poison its device, and only a process can be ended
then; because what it held is free once it is gone; and because it computes without holding up the service. One
thread reads, one works, one job after the other in the order they came.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, BinaryIO, Final

from chatterbox_api_core.errors import ChatterboxError, SynthesisFailed
from chatterbox_api_synth_chatterbox.wire import LENGTHS, Head, as_failure, frame, lengths

__all__ = ["Worker", "main"]

_log = logging.getLogger(__name__)

_SIGN_OF_LIFE_S: Final = 0.25
"""Well below the shortest silence that the parent may be told to take for the end."""
_LOST_DEVICE: Final = ("CUDA error", "HIP error", "device-side assert", "CUBLAS", "CUDNN_STATUS", "MPS backend")
"""What an error says when nothing more can be computed on its device by this process."""
_FULL: Final = ("out of memory", "allocate memory")

Job = Callable[[Head, bytes, Callable[[], None]], tuple[Head, Any]]
"""The head and the bytes of a command, and what to call between steps; to the head and the bytes of the answer."""


class _Cancelled(Exception):
    """Whoever asked has gone."""


class Worker:
    """Reads commands, does them one by one, answers.

    Args:
        load: makes the jobs, by the word for each; called once, with what tells the parent how far it is.
    """

    def __init__(self, load: Callable[[Callable[[str], None]], dict[str, Job]], *, source: BinaryIO, sink: BinaryIO):
        self._load, self._source, self._sink = load, source, sink
        self._commands: queue.SimpleQueue[tuple[Head, bytes]] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._sending = threading.Lock()

    def run(self) -> int:
        threading.Thread(target=self._read, daemon=True).start()
        try:
            jobs = self._load(lambda text: self._send({"event": "loading", "text": text}))
        except ChatterboxError as error:
            self._send(as_failure(error))
            return 1
        self._send({"event": "ready"})
        while True:
            head, payload = self._commands.get()
            if head["id"] in self._cancelled:
                self._send({"id": head["id"], "event": "cancelled"})
            elif not self._do(jobs[head["do"]], head, payload):
                return 2
            self._forget(head["id"])

    def _do(self, job: Job, head: Head, payload: bytes) -> bool:
        """Do one job and answer; False when this process is good for no other."""
        number, told_s = head["id"], time.monotonic()
        self._send({"id": number, "event": "working"})

        def checkpoint() -> None:
            nonlocal told_s
            if number in self._cancelled:
                raise _Cancelled
            if time.monotonic() - told_s > _SIGN_OF_LIFE_S:
                told_s = time.monotonic()
                self._send({"id": number, "event": "working"})

        try:
            answer, data = job(head, payload, checkpoint)
            self._send({"id": number, "event": "done"} | answer, data)
        except _Cancelled:
            self._send({"id": number, "event": "cancelled"})
        except ChatterboxError as error:
            self._send({"id": number} | as_failure(error))
        except Exception as error:
            _log.exception("the model failed")
            self._send({"id": number} | as_failure(_as_failure(error)))
            return _is_full(error) or not any(sign in str(error) for sign in _LOST_DEVICE)
        return True

    def _forget(self, number: int) -> None:
        """Numbers rise, and jobs come in their order: what is cancelled after its end is of no use any more."""
        self._cancelled.difference_update([each for each in tuple(self._cancelled) if each <= number])

    def _send(self, head: Head, payload: Any = b"") -> None:
        with self._sending:
            self._sink.write(frame(head, payload))
            self._sink.flush()

    def _read(self) -> None:
        """Until the parent is gone; then so is this process, whatever it is doing."""
        try:
            while len(start := self._source.read(LENGTHS.size)) == LENGTHS.size:
                head_bytes, payload_bytes = lengths(start)
                head, payload = json.loads(self._source.read(head_bytes)), self._source.read(payload_bytes)
                if head["do"] == "cancel":
                    self._cancelled.add(head["id"])
                else:
                    self._commands.put((head, payload))
        finally:  # also where the parent was killed in the middle of a frame
            os._exit(0)


def _is_full(error: Exception) -> bool:
    named = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
    return named or any(sign in str(error) for sign in _FULL)


def _as_failure(error: Exception) -> SynthesisFailed:
    if _is_full(error):
        traceback.clear_frames(error.__traceback__)  # they hold what it was working with
        _free_memory()
        return SynthesisFailed(
            "The model ran out of memory.", code="out_of_memory", remedy="Try a shorter text, or end what else uses it."
        )
    return SynthesisFailed(f"The model failed: {type(error).__name__}.")


def _free_memory() -> None:
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch is not None and torch.backends.mps.is_available():
        torch.mps.empty_cache()


def main() -> int:
    """Take the pipes for frames alone: what upstream prints goes to the log."""
    for each in (signal.SIGINT, signal.SIGTERM):  # a terminal and a service manager send them to it too
        signal.signal(each, signal.SIG_IGN)  # its parent may have work to finish, and ends it then
    config = json.loads(sys.argv[1])
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    if config["role"] == "watermark":
        from chatterbox_api_synth_chatterbox.watermark_jobs import load
    else:
        from chatterbox_api_synth_chatterbox.speech_jobs import load
    return Worker(lambda report: load(config, report), source=source, sink=sink).run()


if __name__ == "__main__":
    status = 1
    try:
        status = main()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)  # Python's own way out may wait for a device that is lost
