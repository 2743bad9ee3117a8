"""Every failure between this service and the bucket, as an error of the port: the one table of this package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, StorageFailed, Unavailable
from chatterbox_api_storage_r2.endpoints import is_r2
from chatterbox_api_storage_r2.error_details import ErrorDetails, error_details
from chatterbox_api_storage_r2.proxies import Proxy

__all__ = [
    "TOO_NEW",
    "BucketUnavailable",
    "ErrorDetails",
    "FailureKind",
    "damaged_object",
    "error_details",
    "failure_kind",
    "outcome_unknown",
    "startup_error",
    "storage_full",
    "storage_read_only",
    "unavailable",
]


@dataclass(frozen=True, slots=True)
class FailureKind:
    """One row of the table: a kind of failure, and what a person reads about it.

    Attributes:
        code: of the error, `storage_...`; clients match on it.
        message: what has happened. Until `failure_kind` has filled them in, it has `{host}` and other fields.
        remedy: what a person can do about it; with the same fields.
        field: the setting that may be wrong; None where none is.
        transient: another attempt may succeed.
        permanent: no attempt will, until somebody changes something.
        retry_after_s: how long to wait before another attempt at least.
    """

    code: str
    message: str
    remedy: str
    field: str | None
    transient: bool = False
    permanent: bool = False
    retry_after_s: float = 0.0


TOO_NEW: Final = "storage_too_new"
"""The code of the error for a document that a newer version of this package has written."""


class BucketUnavailable(Unavailable):
    """The bucket did not answer, or refused.

    Attributes:
        permanent: see `FailureKind`.
    """

    permanent = False


_UNREACHABLE: Final = FailureKind(
    "storage_unreachable",
    "The bucket cannot be reached at {host}: {transport_error}.",
    "Check the network, and R2_ACCOUNT_ID or R2_ENDPOINT.",
    "R2_ENDPOINT",
    transient=True,
)
_NO_PROXY_TO_IT: Final = FailureKind(
    "storage_unreachable",
    "The proxy {proxy}, which {setting} names for {host}, cannot be used: {transport_error}.",
    "Correct {setting}, or add {name} to NO_PROXY to go without a proxy.",
    None,
    transient=True,
)
_PROXY_REFUSES: Final = FailureKind(
    "storage_unreachable",
    "The proxy {proxy}, which {setting} names for {host}, requires a user and a password, "
    "or rejects those it was given ({status}).",
    "Write the user and the password into {setting}, or add {name} to NO_PROXY to go without a proxy.",
    None,
)
_REFUSED: Final = FailureKind(
    "storage_refused",
    "The server at {host} does not accept the access key or its secret ({status}).",
    "Check both, and that they are of this account and still valid.",
    "R2_ACCESS_KEY_ID",
    permanent=True,
)
_REGION: Final = FailureKind(
    "storage_refused",
    "The server at {host} requires requests to be signed for another region ({status}).",
    "Use the address that names its region, such as s3.eu-central-1.example.com.",
    "R2_ENDPOINT",
    permanent=True,
)
_DENIED: Final = FailureKind(
    "storage_refused",
    "The access key has no right to use the bucket {bucket} at {host} ({status}).",
    "Give it the right to list, read and write objects in this bucket.",
    "R2_ACCESS_KEY_ID",
    permanent=True,
)
_NO_LIST: Final = FailureKind(
    "storage_refused",
    "The access key has no right to list the objects of the bucket {bucket} at {host} ({status}).",
    "Give it the right to list, read and write objects in this bucket.",
    "R2_ACCESS_KEY_ID",
    permanent=True,
)
_CLOCK: Final = FailureKind(
    "storage_clock",
    "The server at {host} refuses requests because this machine's clock is wrong ({status}).",
    "Set the clock.",
    None,
    permanent=True,
)
_NO_BUCKET: Final = FailureKind(
    "storage_no_bucket",
    "There is no bucket {bucket} at {host} ({status}).",
    "Create it, or correct its name or the address.",
    "R2_BUCKET_NAME",
    permanent=True,
)
_MOVED: Final = FailureKind(
    "storage_error",
    "The server at {host} does not keep the bucket {bucket} and sends requests elsewhere ({status}).",
    "Use the address of the server or the region that keeps it.",
    "R2_ENDPOINT",
    permanent=True,
)
_NO_SUCH_LIST: Final = FailureKind(
    "storage_error",
    "The server at {host} takes a list of the bucket {bucket} for an object that is not there ({status}).",
    "Check that the address is that of an S3 endpoint, without the name of a bucket in it.",
    "R2_ENDPOINT",
    permanent=True,
)
# obstore hides the header Retry-After. So this waits for one second, since R2's limit is one write a second.
_BUSY: Final = FailureKind(
    "storage_busy",
    "The server at {host} is overloaded ({status}).",
    "Try again later.",
    "R2_ENDPOINT",
    transient=True,
    retry_after_s=1.0,
)
_ERROR: Final = FailureKind(
    "storage_error",
    "The server at {host} fails ({status}).",
    "Try again later; if it persists, look at the status page of that service.",
    "R2_ENDPOINT",
    transient=True,
)
_STRANGE: Final = FailureKind(
    "storage_error",
    "The server at {host} does not answer as S3 does ({status}).",
    "Check that this is the address of an S3 endpoint.",
    "R2_ENDPOINT",
)
_REFUSES: Final = FailureKind(
    "storage_error",
    "The server at {host} refuses the request ({status}).",
    "Check that this is the address of an S3 endpoint, and that it does conditional writes and lists.",
    "R2_ENDPOINT",
    permanent=True,
)
_UNREADABLE: Final = FailureKind(
    "storage_error",
    "The answer of the server at {host} cannot be understood ({status}).",
    "Try again later; if it persists, check that this is the address of an S3 endpoint.",
    "R2_ENDPOINT",
    transient=True,
)

_BY_CODE: Final = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": _NO_BUCKET,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "InvalidAccessKeyId": _REFUSED,
    "SignatureDoesNotMatch": _REFUSED,
    "InvalidToken": _REFUSED,
    "ExpiredToken": _REFUSED,
    "TokenRefreshRequired": _REFUSED,
    "NotSignedUp": _REFUSED,
    "AuthorizationHeaderMalformed": _REGION,
    "InvalidRegionName": _REGION,
    "InvalidRegion": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "PermanentRedirect": _MOVED,
    "TemporaryRedirect": _MOVED,
    "SlowDown": _BUSY,
    "TooManyRequests": _BUSY,
    "ServiceUnavailable": _BUSY,
    "ConditionalRequestConflict": _BUSY,
    "OperationAborted": _BUSY,
    "RequestTimeout": _ERROR,
    "RequestTimedOut": _ERROR,
    "InternalError": _ERROR,
    "BadDigest": _ERROR,
    "IncompleteBody": _ERROR,
    "XAmzContentSHA256Mismatch": _ERROR,
}
_PROXIES: Final = (_NO_PROXY_TO_IT, _PROXY_REFUSES)
_BY_STATUS: Final = {
    **dict.fromkeys((301, 307, 308), _MOVED),
    401: _REFUSED,
    403: _DENIED,
    408: _ERROR,
    **dict.fromkeys((409, 429, 503), _BUSY),
}
_OF_THE_SERVER: Final = ("its certificate is not trusted", "it does not speak TLS")
"""What may be the case with the server as well as with a proxy in front of it."""


def failure_kind(
    details: ErrorDetails, *, host: str, bucket: str, listing: bool = False, proxy: Proxy | None = None
) -> FailureKind:
    """The row of the table for these details, with its message and its remedy filled in.

    Args:
        host: of the endpoint, with the port where there is one.
        bucket: its name.
        listing: whether the request was a list, and not one for an object.
        proxy: what requests go through; None where they go straight.
    """
    row = _row(details, listing=listing, proxied=proxy is not None)
    ours = row.field == "R2_ENDPOINT" and is_r2(f"//{host}")
    words = {"host": host, "name": host.rpartition(":")[0] or host, "bucket": bucket, "status": details.status_and_code}
    words |= {
        "transport_error": details.transport_error,
        "proxy": proxy.address if proxy else "",
        "setting": proxy.setting if proxy else "",
    }
    message, remedy = row.message.format(**words), row.remedy.format(**words)
    if proxy is not None and not details.code and proxy.setting not in message:  # the answer may be the proxy's
        message += f" Requests go through the proxy {proxy.address}, which {proxy.setting} names."
        remedy += f" If the proxy is the cause, add {words['name']} to NO_PROXY."
    field = proxy.setting if proxy and row.field is None and row in _PROXIES else row.field
    return replace(row, message=message, remedy=remedy, field="R2_ACCOUNT_ID" if ours else field)


def _row(details: ErrorDetails, *, listing: bool, proxied: bool) -> FailureKind:
    if details.transport_error:
        of_the_proxy = proxied and details.never_sent and details.transport_error not in _OF_THE_SERVER
        return _NO_PROXY_TO_IT if of_the_proxy else _UNREACHABLE
    if proxied and details.status == 407:
        return _PROXY_REFUSES
    if listing and details.not_found:
        return _NO_SUCH_LIST
    found = _BY_CODE.get(details.code) or _BY_STATUS.get(details.status) or _other(details)
    return _NO_LIST if listing and found is _DENIED else found


def _other(details: ErrorDetails) -> FailureKind:
    if not details.status:
        return _UNREADABLE
    if details.status >= 500 and details.status != 501:
        return _ERROR
    # Only S3 itself sends a code. Without one, the answer may be that of a gateway whose server is down for a while.
    return _REFUSES if details.code and details.status >= 400 else _STRANGE


def outcome_unknown(details: ErrorDetails, kind: FailureKind) -> bool:
    """Whether a write that failed in this way may have been done, or may be done by another attempt.

    It is unknown unless the answer certainly says no.
    """
    return kind.transient and not details.never_sent and not details.out_of_space


def unavailable(kind: FailureKind) -> BucketUnavailable:
    """The error of the port for this kind of failure."""
    error = BucketUnavailable(
        kind.message,
        code=kind.code,
        field=kind.field,
        remedy=kind.remedy,
        retry_after_s=max(kind.retry_after_s, 1.0),
    )
    error.permanent = kind.permanent
    return error


def storage_full(bucket: str, details: ErrorDetails) -> StorageFailed:
    """The error of a write for which there is no space. Reads still work."""
    return StorageFailed(
        f"The bucket {bucket} is full, or its quota is used up ({details.status_and_code}); nothing has been changed.",
        code="storage_full",
        field="R2_BUCKET_NAME",
        remedy="Free some space on its server, or raise the quota, and try again.",
    )


def storage_read_only(bucket: str) -> StorageFailed:
    """The error of a write that the key has no right to. Reads may still work."""
    return StorageFailed(
        f"The access key may not write to the bucket {bucket}; nothing has been changed.",
        code="storage_read_only",
        field="R2_ACCESS_KEY_ID",
        remedy="Give it the right to read and write objects in this bucket.",
    )


def damaged_object(key: str) -> StorageFailed:
    """The error of a document that this package cannot have written."""
    return StorageFailed(
        f"The object {key} in the bucket is damaged.",
        code="storage_damaged",
        remedy="Remove the object, and copy the voice into the library again.",
    )


def startup_error(error: ChatterboxError) -> ConfigurationError | None:
    """The same error as one that stops the start; None where waiting may help.

    A server may come back, so the start waits for it. A wrong name stays wrong.
    """
    if not isinstance(error, StorageFailed) and not (isinstance(error, BucketUnavailable) and error.permanent):
        return None
    return ConfigurationError(error.message, code=error.code, field=error.field, remedy=error.remedy)
