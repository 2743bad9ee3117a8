"""What goes wrong between this service and the bucket, as the errors of the port: the one table of this package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from chatterbox_api_core.errors import ChatterboxError, ConfigurationError, StorageFailed, Unavailable
from chatterbox_api_storage_r2.endpoints import is_r2
from chatterbox_api_storage_r2.proxies import Proxy
from chatterbox_api_storage_r2.signs import Signs, signs

__all__ = [
    "BucketUnavailable",
    "Cause",
    "Signs",
    "cause",
    "damaged_object",
    "full",
    "left_open",
    "read_only",
    "signs",
    "startup_error",
    "unavailable",
]


@dataclass(frozen=True, slots=True)
class Cause:
    """Why the bucket did not do what it was asked.

    Attributes:
        passing: another try may be answered otherwise.
        lasting: no try will be, until somebody changes something.
        retry_after_s: how long to wait for it at least.
    """

    code: str
    message: str
    remedy: str
    field: str | None
    passing: bool = False
    lasting: bool = False
    retry_after_s: float = 0.0


class BucketUnavailable(Unavailable):
    """The bucket did not do what it was asked.

    Attributes:
        lasting: see `Cause`.
    """

    lasting = False


_UNREACHABLE: Final = Cause(
    "storage_unreachable",
    "The bucket cannot be reached at {host}: {broken}.",
    "Check the network, and R2_ACCOUNT_ID or R2_ENDPOINT.",
    "R2_ENDPOINT",
    passing=True,
)
_NO_PROXY_TO_IT: Final = Cause(
    "storage_unreachable",
    "The proxy {proxy}, which {setting} names for {host}, cannot be used: {broken}.",
    "Correct {setting}, or take {name} up in NO_PROXY to go without a proxy.",
    None,
    passing=True,
)
_PROXY_REFUSES: Final = Cause(
    "storage_unreachable",
    "The proxy {proxy}, which {setting} names for {host}, wants a user and a password, or other ones ({status}).",
    "Write them into {setting}, or take {name} up in NO_PROXY to go without a proxy.",
    None,
)
_REFUSED: Final = Cause(
    "storage_refused",
    "The server at {host} does not accept the access key or its secret ({status}).",
    "Check both, and that they are of this account and still valid.",
    "R2_ACCESS_KEY_ID",
    lasting=True,
)
_REGION: Final = Cause(
    "storage_refused",
    "The server at {host} wants requests to be signed for another region ({status}).",
    "Use the address that names its region, such as s3.eu-central-1.example.com.",
    "R2_ENDPOINT",
    lasting=True,
)
_DENIED: Final = Cause(
    "storage_refused",
    "The access key has no right to use the bucket {bucket} at {host} ({status}).",
    "Give it the right to list, read and write objects in this bucket.",
    "R2_ACCESS_KEY_ID",
    lasting=True,
)
_NO_LIST: Final = Cause(
    "storage_refused",
    "The access key has no right to list the objects of the bucket {bucket} at {host} ({status}).",
    "Give it the right to list, read and write objects in this bucket.",
    "R2_ACCESS_KEY_ID",
    lasting=True,
)
_CLOCK: Final = Cause(
    "storage_clock",
    "The server at {host} refuses requests because this machine's clock is wrong ({status}).",
    "Set the clock.",
    None,
    lasting=True,
)
_NO_BUCKET: Final = Cause(
    "storage_no_bucket",
    "There is no bucket {bucket} at {host} ({status}).",
    "Create it, or correct its name or the address.",
    "R2_BUCKET_NAME",
    lasting=True,
)
_MOVED: Final = Cause(
    "storage_error",
    "The server at {host} does not keep the bucket {bucket} and sends requests elsewhere ({status}).",
    "Use the address of the server or the region that keeps it.",
    "R2_ENDPOINT",
    lasting=True,
)
_NO_SUCH_LIST: Final = Cause(
    "storage_error",
    "The server at {host} takes a list of the bucket {bucket} for an object that is not there ({status}).",
    "Check that the address is that of an S3 endpoint, without the name of a bucket in it.",
    "R2_ENDPOINT",
    lasting=True,
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
_REFUSES: Final = Cause(
    "storage_error",
    "The server at {host} refuses the request ({status}).",
    "Check that this is the address of an S3 endpoint, and that it does conditional writes and lists.",
    "R2_ENDPOINT",
    lasting=True,
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
"""What may be said of the server as well as of a proxy before it."""


def cause(seen: Signs, *, host: str, bucket: str, listing: bool = False, proxy: Proxy | None = None) -> Cause:
    """The row of the table, with the setting that the address comes from.

    Args:
        listing: whether a list was asked for, and not one object.
        proxy: what requests go through.
    """
    row = _row(seen, listing=listing, proxied=proxy is not None)
    ours = row.field == "R2_ENDPOINT" and is_r2(f"//{host}")
    words = {"host": host, "name": host.rpartition(":")[0] or host, "bucket": bucket, "status": seen.status_and_code}
    words |= {"broken": seen.broken, "proxy": proxy.address if proxy else "", "setting": proxy.setting if proxy else ""}
    message, remedy = row.message.format(**words), row.remedy.format(**words)
    if proxy is not None and not seen.code and proxy.setting not in message:  # so the proxy may have said it
        message += f" It is asked by way of the proxy {proxy.address}, which {proxy.setting} names."
        remedy += f" If the proxy is the cause, take {words['name']} up in NO_PROXY."
    field = proxy.setting if proxy and row.field is None and row in _PROXIES else row.field
    return replace(row, message=message, remedy=remedy, field="R2_ACCOUNT_ID" if ours else field)


def _row(seen: Signs, *, listing: bool, proxied: bool) -> Cause:
    if seen.broken:
        of_the_proxy = proxied and seen.never_sent and seen.broken not in _OF_THE_SERVER
        return _NO_PROXY_TO_IT if of_the_proxy else _UNREACHABLE
    if proxied and seen.status == 407:
        return _PROXY_REFUSES
    if listing and seen.missing:
        return _NO_SUCH_LIST
    found = _BY_CODE.get(seen.code) or _BY_STATUS.get(seen.status) or _other(seen)
    return _NO_LIST if listing and found is _DENIED else found


def _other(seen: Signs) -> Cause:
    if not seen.status:
        return _UNREADABLE
    if seen.status >= 500 and seen.status != 501:
        return _ERROR
    # A code is S3's own word. Without one, the answer may be that of a gateway which will find its server again.
    return _REFUSES if seen.code and seen.status >= 400 else _STRANGE


def left_open(seen: Signs, why: Cause) -> bool:
    """Whether a write may have been done, or be worth another try: all but what certainly says no."""
    return why.passing and not seen.never_sent and not seen.full


def unavailable(why: Cause, *, retry_after_s: float = 0.0) -> BucketUnavailable:
    error = BucketUnavailable(
        why.message,
        code=why.code,
        field=why.field,
        remedy=why.remedy,
        retry_after_s=max(retry_after_s, why.retry_after_s, 1.0),
    )
    error.lasting = why.lasting
    return error


def full(bucket: str, seen: Signs) -> StorageFailed:
    """A write for which there is no room; reading works."""
    return StorageFailed(
        f"The bucket {bucket} is full, or its quota is used up ({seen.status_and_code}); nothing has been changed.",
        code="storage_full",
        field="R2_BUCKET_NAME",
        remedy="Free some space on its server, or raise the quota, and try again.",
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
    if not isinstance(error, StorageFailed) and not (isinstance(error, BucketUnavailable) and error.lasting):
        return None
    return ConfigurationError(error.message, code=error.code, field=error.field, remedy=error.remedy)
