"""Bounds of the wire."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HttpLimits"]


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """How much and how slowly a client may send and receive.

    Attributes:
        body_bytes: of a JSON request or an urlencoded form.
        upload_bytes: of a form with its files and framing.
        file_bytes: of one file of a form.
        parts: of a form.
        receive_s: the longest a request's body may take to arrive.
        send_stall_s: the longest a client may leave its answer unread.
        send_factor: how many times as long as it sounds a client may take for all of an answer, beside
            `send_stall_s`. A player reads at the pace of speech; one that takes a byte now and then would never end.
    """

    body_bytes: int = 2**20
    upload_bytes: int = 11 * 2**20
    file_bytes: int = 10 * 2**20
    parts: int = 100
    receive_s: float = 60.0
    send_stall_s: float = 60.0
    send_factor: float = 2.0
