"""What an exception of obstore's tells.

obstore tells most of it in the text of its exceptions alone. That text shows what a server echoes of a request it
refuses, the key's id and what was signed among it: so only the status, S3's code and the kind of failure are taken
out of it, and the text goes nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["Signs", "signs"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_KIND = re.compile(r"kind: (\w+)")
_FULL = re.compile(r"(?<!Request)QuotaExceeded|StorageFull|InsufficientStorage|StorageCapExceeded|DiskFull")


_BROKEN: Final = (
    ("dns error", "its name cannot be resolved"),
    ("ConnectionRefused", "nothing listens there"),
    ("TimedOut", "it does not answer in time"),
    ("certificate", "its certificate is not trusted"),
    ("InvalidMessage", "it does not speak TLS"),
    ("tcp connect error", "there is no way to it"),
    ("TunnelUnsuccessful", "it makes no connection to the server"),
    ("TunnelProxyAuthRequired", "it wants a user and a password, or other ones"),
    ("ProxyAuthRequired", "it wants a user and a password, or other ones"),
    ("unsupported scheme", "proxies of its kind are not supported"),
)


@dataclass(frozen=True, slots=True)
class Signs:
    """What an exception of obstore's tells.

    Attributes:
        status: HTTP's, 0 where there was no answer.
        code: S3's, empty where there was none; without an answer that can be read, the name of the exception.
        never_sent: no connection was made, so the request cannot have been done.
        broken: how there was no answer, for people.
    """

    status: int = 0
    code: str = ""
    never_sent: bool = False
    broken: str = ""

    @property
    def status_and_code(self) -> str:
        return " ".join(str(part) for part in (self.status, self.code) if part)

    @property
    def missing(self) -> bool:
        """Whether there is no such object. A 404 that is not S3's own says nothing about the object."""
        return self.status == 404 and self.code == "NoSuchKey"

    @property
    def full(self) -> bool:
        """Whether a write was refused for want of room: by MinIO, Ceph and others, each with a code of its own."""
        return self.status == 507 or _FULL.search(self.code) is not None

    @property
    def conflict(self) -> bool:
        """Whether a write's condition did not hold: some servers answer If-Match on a missing object with a 404."""
        return self.status == 412 or self.missing


def signs(error: BaseException) -> Signs:
    """What an exception of obstore's tells; a TimeoutError is one's own limit."""
    if isinstance(error, TimeoutError):
        return Signs(broken="it does not answer in time")
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None or code is not None:
        # R2 says so of a key that is too short or too long.
        wrong_key = "Credential access key has length" in text
        name = "InvalidAccessKeyId" if wrong_key else code[1] if code else ""
        return Signs(int(status[1]) if status else 0, name)
    kind = _KIND.search(text)
    if "BareRedirect" in text or (kind is not None and "TooManyRedirects" in text):
        return Signs(301, "PermanentRedirect")
    if kind is None and "InvalidListResponse" in text:
        return Signs(code="an invalid list")
    if kind is None:
        return Signs(code=type(error).__name__)
    broken = next((said for sign, said in _BROKEN if sign in text), "the connection broke")
    return Signs(never_sent=kind[1] == "Connect", broken=broken)
