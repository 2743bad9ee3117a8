"""What an exception of obstore says about a request that failed.

obstore says most of it only in the text of its exceptions. That text contains what a server echoes of a request it
refuses, the key's id and the string to sign included. So this module takes the status, the code of S3 and the kind of
failure out of the text, and the text itself is shown nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["ErrorDetails", "error_details"]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_KIND = re.compile(r"kind: (\w+)")
_OUT_OF_SPACE = re.compile(r"(?<!Request)QuotaExceeded|StorageFull|InsufficientStorage|StorageCapExceeded|DiskFull")
_TRANSPORT_ERRORS: Final = (
    ("dns error", "its name cannot be resolved"),
    ("ConnectionRefused", "nothing listens there"),
    ("TimedOut", "it does not answer in time"),
    ("certificate", "its certificate is not trusted"),
    ("InvalidMessage", "it does not speak TLS"),
    ("tcp connect error", "there is no route to it"),
    ("TunnelUnsuccessful", "it makes no connection to the server"),
    ("TunnelProxyAuthRequired", "it requires a user and a password, or rejects those it was given"),
    ("ProxyAuthRequired", "it requires a user and a password, or rejects those it was given"),
    ("unsupported scheme", "proxies of its kind are not supported"),
)


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What is known about a request that failed.

    Attributes:
        status: the HTTP status; 0 where there was no answer.
        code: the code of S3, such as `NoSuchKey`; empty where there was none. Where the answer cannot be read, the name
            of the exception.
        never_sent: no connection was made, so the request cannot have been done.
        transport_error: why there was no answer, for people; empty where there was one.
    """

    status: int = 0
    code: str = ""
    never_sent: bool = False
    transport_error: str = ""

    @property
    def status_and_code(self) -> str:
        """Both in one text, such as `404 NoSuchKey`."""
        return " ".join(str(part) for part in (self.status, self.code) if part)

    @property
    def not_found(self) -> bool:
        """Whether there is no such object. A 404 without the code of S3 says nothing about the object."""
        return self.status == 404 and self.code == "NoSuchKey"

    @property
    def out_of_space(self) -> bool:
        """Whether a write was refused for lack of space. MinIO, Ceph and others each have a code of their own."""
        return self.status == 507 or _OUT_OF_SPACE.search(self.code) is not None

    @property
    def precondition_failed(self) -> bool:
        """Whether a write's condition did not hold. Some servers answer If-Match on a missing object with a 404."""
        return self.status == 412 or self.not_found


def error_details(error: BaseException) -> ErrorDetails:
    """The details of an exception of obstore, or of a TimeoutError, which is a time limit of this package."""
    if isinstance(error, TimeoutError):
        return ErrorDetails(transport_error="it does not answer in time")
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is not None or code is not None:
        # R2 says so of a key that is too short or too long.
        wrong_key = "Credential access key has length" in text
        name = "InvalidAccessKeyId" if wrong_key else code[1] if code else ""
        return ErrorDetails(int(status[1]) if status else 0, name)
    kind = _KIND.search(text)
    if "BareRedirect" in text or (kind is not None and "TooManyRedirects" in text):
        return ErrorDetails(301, "PermanentRedirect")
    if kind is None and "InvalidListResponse" in text:
        return ErrorDetails(code="an invalid list")
    if kind is None:
        return ErrorDetails(code=type(error).__name__)
    reason = next((reason for part, reason in _TRANSPORT_ERRORS if part in text), "the connection broke")
    return ErrorDetails(never_sent=kind[1] == "Connect", transport_error=reason)
