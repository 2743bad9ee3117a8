"""Which kind of failure each exception of obstore is. Their texts are as obstore 0.12 writes them."""

from __future__ import annotations

import pytest

from chatterbox_api_core.errors import Unavailable
from chatterbox_api_storage_r2.errors import (
    ErrorDetails,
    error_details,
    failure_kind,
    outcome_unknown,
    startup_error,
    unavailable,
)

SECRETS = ("AKIA-OF-SOMEBODY", "f00dfeed", "X-Amz-Signature")


def answered(status: str, code: str = "", message: str = "") -> Exception:
    """As obstore shows an answer that is none of success."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message>" if code else "<html>"
    return RuntimeError(
        f"Generic S3 error: Error performing GET https://r2.example/b/k?X-Amz-Signature=f00dfeed in 2.1ms - "
        f"Server returned non-2xx status code: {status}: {body}<AWSAccessKeyId>AKIA-OF-SOMEBODY</AWSAccessKeyId>"
        f"<StringToSign>AWS4-HMAC-SHA256 f00dfeed</StringToSign></Error>\n\nDebug source:\nGeneric {{ status: 999 }}"
    )


def not_answered(kind: str, inner: str) -> Exception:
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
    (answered("409 PreconditionFailed", "ConditionalRequestConflict"), "storage_busy"),
    (answered("500 Internal Server Error", "InternalError"), "storage_error"),
    (answered("501 Not Implemented", "NotImplemented"), "storage_error"),
    (answered("302 Found"), "storage_error"),
    (answered("301 Moved Permanently", "PermanentRedirect"), "storage_error"),
    (RuntimeError("Received redirect without LOCATION ... inner: BareRedirect"), "storage_error"),
    (RuntimeError("Got invalid list response: InvalidListResponse { }"), "storage_error"),
    (answered("400 Bad Request", "AuthorizationHeaderMalformed"), "storage_refused"),
    (answered("400 Bad Request", "ExpiredToken"), "storage_refused"),
    (answered("400 Bad Request", "EntityTooLarge"), "storage_error"),
    (not_answered("Connect", REFUSED), "storage_unreachable"),
    (not_answered("Connect", 'ConnectError( "dns error", Custom { } )'), "storage_unreachable"),
    (not_answered("Timeout", "TimedOut"), "storage_unreachable"),
    (not_answered("Interrupted", "Os { code: 104, kind: ConnectionReset }"), "storage_unreachable"),
    (TimeoutError(), "storage_unreachable"),
    (ValueError("nothing that is known"), "storage_error"),
]


@pytest.mark.parametrize(("error", "code"), TABLE)
def test_every_failure_has_its_kind_and_shows_no_secret(error: Exception, code: str) -> None:
    kind = failure_kind(error_details(error), host="r2.example", bucket="voices")
    shown = unavailable(kind)

    assert shown.code == code
    assert "r2.example" in shown.message
    assert shown.remedy
    assert (shown.field is None) == (code == "storage_clock"), "no setting is wrong with that"
    assert shown.retry_after_s >= 1
    assert not [secret for secret in SECRETS if secret in f"{shown!r} {shown} {kind!r} {error_details(error)!r}"]


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (answered("500 Internal Server Error"), True),
        (answered("503 Service Unavailable", "SlowDown"), True),
        (answered("429 Too Many Requests"), True),
        (answered("409 PreconditionFailed", "ConditionalRequestConflict"), True),
        (not_answered("Timeout", "TimedOut"), True),
        (not_answered("Request", "IncompleteMessage"), True),
        (TimeoutError(), True),
        (ValueError("nothing that is known"), True),
        (not_answered("Connect", REFUSED), False),
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
def test_the_outcome_of_a_write_is_unknown_unless_it_was_certainly_not_done(error: Exception, unknown: bool) -> None:
    details = error_details(error)
    assert outcome_unknown(details, failure_kind(details, host="r2.example", bucket="voices")) is unknown


def test_only_a_404_with_the_code_of_s3_says_that_there_is_no_object() -> None:
    assert error_details(answered("404 Not Found", "NoSuchKey")).not_found
    assert not error_details(answered("404 Not Found", "NoSuchBucket")).not_found
    assert not error_details(answered("404 Not Found")).not_found


def test_a_precondition_has_failed_where_the_server_says_so() -> None:
    assert error_details(answered("412 Precondition Failed", "PreconditionFailed")).precondition_failed
    assert error_details(answered("404 Not Found", "NoSuchKey")).precondition_failed
    assert not error_details(answered("404 Not Found", "NoSuchBucket")).precondition_failed
    assert not error_details(answered("409 PreconditionFailed", "ConditionalRequestConflict")).precondition_failed


def test_a_busy_server_is_not_asked_again_within_a_second() -> None:
    assert failure_kind(ErrorDetails(429), host="", bucket="").retry_after_s == 1
    assert failure_kind(ErrorDetails(503), host="", bucket="").retry_after_s == 1


@pytest.mark.parametrize(
    ("details", "stops"),
    [
        (ErrorDetails(401), True),
        (ErrorDetails(403, "RequestTimeTooSkewed"), True),
        (ErrorDetails(404, "NoSuchBucket"), True),
        (ErrorDetails(400, "InvalidArgument"), True),
        (ErrorDetails(501, "NotImplemented"), True),
        (ErrorDetails(301, "PermanentRedirect"), True),
        (ErrorDetails(404), False),
        (ErrorDetails(200, "NoETag"), False),
        (ErrorDetails(500), False),
        (ErrorDetails(503), False),
        (ErrorDetails(transport_error="nothing listens there"), False),
    ],
)
def test_only_what_waiting_cannot_help_stops_the_start(details: ErrorDetails, stops: bool) -> None:
    error = unavailable(failure_kind(details, host="r2.example", bucket="voices"))
    found = startup_error(error)

    assert (found is not None) is stops
    if found is not None:
        assert (found.code, found.field, found.message) == (error.code, error.field, error.message)


@pytest.mark.parametrize(
    ("details", "is_full"),
    [
        (ErrorDetails(507), True),
        (ErrorDetails(507, "XMinioStorageFull"), True),
        (ErrorDetails(403, "QuotaExceeded"), True),
        (ErrorDetails(400, "XMinioAdminBucketQuotaExceeded"), True),
        (ErrorDetails(403, "AccessDenied"), False),
        (ErrorDetails(429, "RequestQuotaExceeded"), False),
        (ErrorDetails(500, "InternalError"), False),
    ],
)
def test_a_bucket_without_space_is_told_from_one_that_fails(details: ErrorDetails, is_full: bool) -> None:
    assert details.out_of_space is is_full


def test_a_list_that_is_refused_is_told_from_an_object_that_is() -> None:
    def said(details: ErrorDetails, *, listing: bool) -> str:
        return failure_kind(details, host="r2.example", bucket="voices", listing=listing).message

    assert "no right to list" in said(ErrorDetails(403, "AccessDenied"), listing=True)
    assert "no right to use the bucket" in said(ErrorDetails(403, "AccessDenied"), listing=False)
    assert "takes a list" in said(ErrorDetails(404, "NoSuchKey"), listing=True)


def test_what_is_not_the_buckets_does_not_stop_the_start() -> None:
    assert startup_error(Unavailable("Something else.")) is None
