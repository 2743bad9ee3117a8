"""What goes wrong between this service and the bucket, as the errors of the port: the one table of this package.

obstore tells most of it in the text of its exceptions alone. That text shows what a server echoes of a request it
refuses, the key's id and what was signed among it: so only the status, S3's code and the kind of failure are taken
out of it, and the text goes nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, StorageFailed, Unavailable

__all__ = [
    "Cause",
    "Signs",
    "cause",
    "damaged_object",
    "left_open",
    "read_only",
    "signs",
    "startup_error",
    "unavailable",
]

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_KIND = re.compile(r"kind: (\w+)")


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
    def missing(self) -> bool:
        """Whether there is no such object. A 404 that is not S3's own says nothing about the object."""
        return self.status == 404 and self.code == "NoSuchKey"

    @property
    def conflict(self) -> bool:
        """Whether a write's condition did not hold: some servers answer If-Match on a missing object with a 404."""
        return self.status == 412 or self.missing


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the bucket did not do what it was asked.

    Attributes:
        passing: another try may be answered otherwise.
        retry_after_s: how long to wait for it at least.
    """

    code: str
    message: str
    remedy: str
    field: str | None
    passing: bool = False
    retry_after_s: float = 0.0


_UNREACHABLE: Final = Cause(
    "storage_unreachable",
    "The bucket cannot be reached at {host}: {broken}.",
    "Check the network, and R2_ACCOUNT_ID or R2_ENDPOINT.",
    "R2_ENDPOINT",
    passing=True,
)
_REFUSED: Final = Cause(
    "storage_refused",
    "The server at {host} does not accept the access key or its secret.",
    "Check both, and that they are of this account.",
    "R2_ACCESS_KEY_ID",
)
_REGION: Final = Cause(
    "storage_refused",
    "The server at {host} wants requests to be signed for another region.",
    "Use the address that names its region, such as s3.eu-central-1.example.com.",
    "R2_ENDPOINT",
)
_DENIED: Final = Cause(
    "storage_refused",
    "The access key has no right to use the bucket {bucket} at {host}.",
    "Give it the right to read and write objects in this bucket.",
    "R2_ACCESS_KEY_ID",
)
_CLOCK: Final = Cause(
    "storage_clock",
    "The server at {host} refuses requests because this machine's clock is wrong.",
    "Set the clock.",
    None,
)
_NO_BUCKET: Final = Cause(
    "storage_no_bucket",
    "There is no bucket {bucket} at {host}.",
    "Create it, or correct its name or the address.",
    "R2_BUCKET_NAME",
)
# obstore hides the header Retry-After, so this waits as long as R2's limit of one write a second asks for.
_BUSY: Final = Cause(
    "storage_busy",
    "The server at {host} has too much to do ({status}).",
    "Try again later.",
    "R2_ENDPOINT",
    passing=True,
    retry_after_s=1.0,
)
_ERROR: Final = Cause(
    "storage_error",
    "The server at {host} fails ({status}).",
    "Try again later; if it stays, look at the state of the service there.",
    "R2_ENDPOINT",
    passing=True,
)
_STRANGE: Final = Cause(
    "storage_error",
    "The server at {host} does not answer as S3 does ({status}).",
    "Check that this is the address of an S3 endpoint.",
    "R2_ENDPOINT",
)
_UNREADABLE: Final = Cause(
    "storage_error",
    "What the server at {host} answers cannot be understood ({status}).",
    "Try again later; if it stays, check that this is the address of an S3 endpoint.",
    "R2_ENDPOINT",
    passing=True,
)

_BY_CODE: Final = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": _NO_BUCKET,
    "RequestTimeTooSkewed": _CLOCK,
    "InvalidAccessKeyId": _REFUSED,
    "SignatureDoesNotMatch": _REFUSED,
    "AuthorizationHeaderMalformed": _REGION,
    "InvalidToken": _REFUSED,
    "ExpiredToken": _REFUSED,
    "SlowDown": _BUSY,
    "TooManyRequests": _BUSY,
    "ServiceUnavailable": _BUSY,
    "ConditionalRequestConflict": _BUSY,
    "OperationAborted": _BUSY,
    "RequestTimeout": _ERROR,
    "InternalError": _ERROR,
    "BadDigest": _ERROR,
    "IncompleteBody": _ERROR,
    "XAmzContentSHA256Mismatch": _ERROR,
}
_BY_STATUS: Final = {401: _REFUSED, 403: _DENIED, 408: _ERROR, 409: _BUSY, 429: _BUSY, 503: _BUSY}
_LASTING: Final = {"storage_refused", "storage_no_bucket", "storage_clock"}

_BROKEN: Final = (
    ("dns error", "its name cannot be resolved"),
    ("ConnectionRefused", "nothing listens there"),
    ("TimedOut", "it does not answer in time"),
    ("certificate", "its certificate is not trusted"),
    ("InvalidMessage", "it does not speak TLS"),
    ("tcp connect error", "there is no way to it"),
)


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
    if kind is None:
        return Signs(code=type(error).__name__)
    broken = next((said for sign, said in _BROKEN if sign in text), "the connection broke")
    return Signs(never_sent=kind[1] == "Connect", broken=broken)


def cause(seen: Signs, *, host: str, bucket: str) -> Cause:
    """The row of the table, with the setting that the address comes from."""
    answered = _BY_CODE.get(seen.code) or _BY_STATUS.get(seen.status) or _other(seen.status)
    row = _UNREACHABLE if seen.broken else answered
    status = " ".join(str(part) for part in (seen.status, seen.code) if part)
    ours = row.field == "R2_ENDPOINT" and host.endswith(".r2.cloudflarestorage.com")
    return replace(
        row,
        message=row.message.format(host=host, bucket=bucket, broken=seen.broken, status=status),
        field="R2_ACCOUNT_ID" if ours else row.field,
    )


def _other(status: int) -> Cause:
    if not status:
        return _UNREADABLE
    return _ERROR if status >= 500 and status != 501 else _STRANGE


def left_open(seen: Signs, why: Cause) -> bool:
    """Whether a write may have been done, or be worth another try: all but what certainly says no."""
    return why.passing and not seen.never_sent


def unavailable(why: Cause, *, retry_after_s: float = 0.0) -> Unavailable:
    return Unavailable(
        why.message,
        code=why.code,
        field=why.field,
        remedy=why.remedy,
        retry_after_s=max(retry_after_s, why.retry_after_s, 1.0),
    )


def read_only(bucket: str) -> StorageFailed:
    """A write that the key has no right to; reading may work."""
    return StorageFailed(
        f"The access key may not write to the bucket {bucket}; nothing has been changed.",
        code="storage_read_only",
        field="R2_ACCESS_KEY_ID",
        remedy="Give it the right to read and write objects in this bucket.",
    )


def damaged_object(key: str) -> StorageFailed:
    """A document that is none of ours."""
    return StorageFailed(
        f"The object {key} in the bucket is damaged.",
        code="storage_damaged",
        remedy="Remove the object, and copy the voice into the library anew.",
    )


def startup_error(error: ChatterboxError) -> ConfigurationError | None:
    """The same as what must stop the start, None where waiting may help: a server may come back, a name will not."""
    if error.code not in _LASTING:
        return None
    return ConfigurationError(error.message, code=error.code, field=error.field, remedy=error.remedy)
