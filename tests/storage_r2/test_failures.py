"""What obstore's exceptions are taken for. Their texts are as obstore 0.12 writes them."""

from __future__ import annotations

import pytest

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.failures import Signs, cause, left_open, signs, startup_error, unavailable

SECRETS = ("AKIA-OF-SOMEBODY", "f00dfeed", "X-Amz-Signature")


def answered(status: str, code: str = "", message: str = "") -> Exception:
    """As obstore shows an answer that is none of success."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>" if code else "<html>"
    return RuntimeError(
        f"Generic S3 error: Error performing GET https://r2.example/b/k?X-Amz-Signature=f00dfeed in 2.1ms - "
        f"Server returned non-2xx status code: {status}: {body}<AWSAccessKeyId>AKIA-OF-SOMEBODY</AWSAccessKeyId>"
        f"<StringToSign>AWS4-HMAC-SHA256 f00dfeed</StringToSign></Error>\n\nDebug source:\nGeneric {{ status: 999 }}"
    )


def broken(kind: str, inner: str) -> Exception:
    """As obstore shows a request that was not answered."""
    return RuntimeError(
        "Generic S3 error: Error performing GET https://r2.example/b/k in 161µs - HTTP error: error sending request\n\n"
        f"Debug source:\nGeneric {{ inner: Http( HttpError {{ kind: {kind}, source: reqwest::Error {{ kind: Request, "
        f"source: hyper_util::client::legacy::Error( {inner} ) }} }} ) }}"
    )


REFUSED = 'Connect, ConnectError( "tcp connect error", Os { code: 111, kind: ConnectionRefused } )'

TABLE = [
    (answered("401 Unauthorized", "Unauthorized"), "storage_refused"),
    (answered("403 Forbidden", "InvalidAccessKeyId"), "storage_refused"),
    (answered("403 Forbidden", "SignatureDoesNotMatch"), "storage_refused"),
    (
        answered("400 Bad Request", "InvalidArgument", "Credential access key has length 2, should be 32"),
        "storage_refused",
    ),
    (answered("403 Forbidden", "AccessDenied"), "storage_refused"),
    (answered("403 Forbidden", "RequestTimeTooSkewed"), "storage_clock"),
    (answered("404 Not Found", "NoSuchBucket"), "storage_no_bucket"),
    (answered("404 Not Found"), "storage_error"),
    (answered("429 Too Many Requests"), "storage_busy"),
    (answered("503 Service Unavailable", "SlowDown"), "storage_busy"),
    (answered("409 Conflict", "ConditionalRequestConflict"), "storage_busy"),
    (answered("500 Internal Server Error", "InternalError"), "storage_error"),
    (answered("501 Not Implemented", "NotImplemented"), "storage_error"),
    (answered("302 Found"), "storage_error"),
    (answered("301 Moved Permanently", "PermanentRedirect"), "storage_error"),
    (RuntimeError("Received redirect without LOCATION ... inner: BareRedirect"), "storage_error"),
    (RuntimeError("Got invalid list response: InvalidListResponse { }"), "storage_error"),
    (answered("400 Bad Request", "AuthorizationHeaderMalformed"), "storage_refused"),
    (answered("400 Bad Request", "ExpiredToken"), "storage_refused"),
    (answered("400 Bad Request", "EntityTooLarge"), "storage_error"),
    (broken("Connect", REFUSED), "storage_unreachable"),
    (broken("Connect", 'ConnectError( "dns error", Custom { } )'), "storage_unreachable"),
    (broken("Timeout", "TimedOut"), "storage_unreachable"),
    (broken("Interrupted", "Os { code: 104, kind: ConnectionReset }"), "storage_unreachable"),
    (TimeoutError(), "storage_unreachable"),
    (ValueError("nothing that is known"), "storage_error"),
]


@pytest.mark.parametrize(("error", "code"), TABLE)
def test_every_failure_has_its_cause_and_tells_no_secret(error: Exception, code: str) -> None:
    why = cause(signs(error), host="r2.example", bucket="voices")
    shown = unavailable(why)

    assert shown.code == code
    assert "r2.example" in shown.message
    assert shown.remedy
    assert (shown.field is None) == (code == "storage_clock"), "no setting is wrong with that"
    assert shown.retry_after_s >= 1
    assert not [secret for secret in SECRETS if secret in f"{shown!r} {shown} {why!r} {signs(error)!r}"]


@pytest.mark.parametrize(
    ("error", "open_"),
    [
        (answered("500 Internal Server Error"), True),
        (answered("503 Service Unavailable", "SlowDown"), True),
        (answered("429 Too Many Requests"), True),
        (answered("409 Conflict", "ConditionalRequestConflict"), True),
        (broken("Timeout", "TimedOut"), True),
        (broken("Request", "IncompleteMessage"), True),
        (TimeoutError(), True),
        (ValueError("nothing that is known"), True),
        (broken("Connect", REFUSED), False),
        (answered("401 Unauthorized"), False),
        (answered("403 Forbidden", "AccessDenied"), False),
        (answered("404 Not Found", "NoSuchBucket"), False),
        (answered("501 Not Implemented"), False),
        (answered("400 Bad Request", "InvalidArgument"), False),
        (answered("507 Insufficient Storage", "XMinioStorageFull"), False),
        (answered("507 Insufficient Storage"), False),
        (answered("403 Forbidden", "QuotaExceeded"), False),
    ],
)
def test_a_write_is_left_open_unless_it_was_certainly_not_done(error: Exception, open_: bool) -> None:
    seen = signs(error)
    assert left_open(seen, cause(seen, host="r2.example", bucket="voices")) is open_


def test_only_a_404_of_s3s_own_about_the_key_says_that_there_is_no_object() -> None:
    assert signs(answered("404 Not Found", "NoSuchKey")).missing
    assert not signs(answered("404 Not Found", "NoSuchBucket")).missing
    assert not signs(answered("404 Not Found")).missing


def test_a_conflict_is_a_condition_that_did_not_hold() -> None:
    assert signs(answered("412 Precondition Failed", "PreconditionFailed")).conflict
    assert signs(answered("404 Not Found", "NoSuchKey")).conflict
    assert not signs(answered("404 Not Found", "NoSuchBucket")).conflict
    assert not signs(answered("409 Conflict", "ConditionalRequestConflict")).conflict


def test_a_busy_server_is_not_asked_again_within_a_second() -> None:
    assert cause(Signs(429), host="", bucket="").retry_after_s == 1
    assert cause(Signs(503), host="", bucket="").retry_after_s == 1


@pytest.mark.parametrize(
    ("seen", "stops"),
    [
        (Signs(401), True),
        (Signs(403, "RequestTimeTooSkewed"), True),
        (Signs(404, "NoSuchBucket"), True),
        (Signs(400, "InvalidArgument"), True),
        (Signs(501, "NotImplemented"), True),
        (Signs(301, "PermanentRedirect"), True),
        (Signs(404), False),
        (Signs(200, "NoETag"), False),
        (Signs(500), False),
        (Signs(503), False),
        (Signs(broken="nothing listens there"), False),
    ],
)
def test_only_what_waiting_cannot_help_stops_the_start(seen: Signs, stops: bool) -> None:
    error = unavailable(cause(seen, host="r2.example", bucket="voices"))
    found = startup_error(error)

    assert (found is not None) is stops
    if found is not None:
        assert (found.code, found.field, found.message) == (error.code, error.field, error.message)


@pytest.mark.parametrize(
    ("seen", "is_full"),
    [
        (Signs(507), True),
        (Signs(507, "XMinioStorageFull"), True),
        (Signs(403, "QuotaExceeded"), True),
        (Signs(400, "XMinioAdminBucketQuotaExceeded"), True),
        (Signs(403, "AccessDenied"), False),
        (Signs(429, "RequestQuotaExceeded"), False),
        (Signs(500, "InternalError"), False),
    ],
)
def test_a_bucket_without_room_is_told_from_one_that_fails(seen: Signs, is_full: bool) -> None:
    assert seen.full is is_full


def test_a_list_that_is_refused_is_told_from_an_object_that_is() -> None:
    def said(seen: Signs, *, listing: bool) -> str:
        return cause(seen, host="r2.example", bucket="voices", listing=listing).message

    assert "no right to list" in said(Signs(403, "AccessDenied"), listing=True)
    assert "no right to use the bucket" in said(Signs(403, "AccessDenied"), listing=False)
    assert "takes a list" in said(Signs(404, "NoSuchKey"), listing=True)


def test_what_is_not_the_buckets_does_not_stop_the_start() -> None:
    assert startup_error(Unavailable("Something else.")) is None
