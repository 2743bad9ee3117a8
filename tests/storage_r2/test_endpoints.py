"""R2_ENDPOINT as people write it: taken for the one address that it means, or refused with a right one."""

from __future__ import annotations

import itertools
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_storage_r2.endpoints import is_local, is_r2, parsed_endpoint
from chatterbox_api_storage_r2.settings import Connection, connection

ACCOUNT = "0123456789abcdef" * 2
R2 = "r2.cloudflarestorage.com"
ENV = {"R2_ACCESS_KEY_ID": "key-id", "R2_SECRET_ACCESS_KEY": "secret", "R2_BUCKET_NAME": "voices"}

R2_SPELLINGS = [
    f"{scheme}{host}{path}"
    for scheme, host, path in itertools.product(
        ("https://", "HTTPS://", "http://", ""),
        ("{account}", "voices.{account}"),
        ("", "/", "/voices", "/voices/", "//voices//", ":443", ":443/voices"),
    )
    if not (scheme == "http://" and ":443" in path)
]


@pytest.mark.parametrize("within", ["", ".eu", ".fedramp"])
@pytest.mark.parametrize("upper", [False, True])
def test_every_spelling_of_a_bucket_of_r2_means_one_address(within: str, upper: bool) -> None:
    host = f"{ACCOUNT}{within}.{R2}"
    for spelling in R2_SPELLINGS:
        text = spelling.format(account=host.upper() if upper else host)
        found = parsed_endpoint(text, bucket="voices")
        assert found.address == f"https://{host}", text
        assert bool(found.taken_off) == ("voices" in text), text


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("http://127.0.0.1:9000/voices", "http://127.0.0.1:9000"),
        ("http://minio:9000", "http://minio:9000"),
        ("http://[::1]:9000/voices/", "http://[::1]:9000"),
        ("https://files.example.com/s3", "https://files.example.com/s3"),
        ("https://files.example.com/s3/voices", "https://files.example.com/s3"),
        ("https://files.example.com/voices/voices", "https://files.example.com/voices"),
        ("http://127.0.0.1:8787/cdn-cgi/local/r2/s3", "http://127.0.0.1:8787/cdn-cgi/local/r2/s3"),
        ("https://s3.eu-central-1.amazonaws.com/voices", "https://s3.eu-central-1.amazonaws.com"),
        ("https://voices.s3.eu-central-1.amazonaws.com", "https://s3.eu-central-1.amazonaws.com"),
        ("https://voices.example.com", "https://voices.example.com"),
    ],
)
def test_other_servers_may_be_below_a_path_which_is_never_the_bucket(text: str, address: str) -> None:
    assert parsed_endpoint(text, bucket="voices").address == address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"https://{ACCOUNT}.{R2}/other", f"R2_ENDPOINT=https://{ACCOUNT}.{R2}, and if that is the bucket, R2_BUCKET"),
        (f"https://{ACCOUNT}.eu.{R2}/other", f"R2_ENDPOINT=https://{ACCOUNT}.eu.{R2},"),
        (f"https://{ACCOUNT}.{R2}/voices/home", "R2_BUCKET_NAME=voices and R2_PREFIX=home"),
        (f"https://other.{ACCOUNT}.{R2}", "R2_BUCKET_NAME=other"),
        (f"https://{ACCOUNT}.us.{R2}", f"<account id>.eu.{R2}"),
        (f"https://{R2}/voices", f"https://<account id>.{R2}"),
        (f"https://voices.{R2}", f"https://<account id>.{R2}"),
        (f"https://{ACCOUNT[1:]}.{R2}", f"https://<account id>.{R2}"),
        (f"https://{ACCOUNT}.{R2}?list-type=2", f"R2_ENDPOINT=https://{ACCOUNT}.{R2}."),
        (f"https://{ACCOUNT}.{R2}/voices#top", f"R2_ENDPOINT=https://{ACCOUNT}.{R2}."),
        (f"https://somebody:pass-word@{ACCOUNT}.{R2}", f"R2_ENDPOINT=https://{ACCOUNT}.{R2}."),
        (f"https://dash.cloudflare.com/{ACCOUNT}/r2/default/buckets/voices", f"https://<account id>.{R2}"),
        ("https://pub-0123.r2.dev", f"https://<account id>.{R2}"),
        ("s3://voices", f"https://<account id>.{R2}"),
        ("ftp://files.example.com", "R2_ENDPOINT=https://files.example.com"),
        ("files.example.com", "R2_ENDPOINT=https://files.example.com"),
        ("127.0.0.1:9000", "R2_ENDPOINT=http://127.0.0.1:9000"),
        ("minio:9000", "R2_ENDPOINT=http://minio:9000"),
        ("https:/files.example.com", f"https://<account id>.{R2}"),
        ("https://files.example.com/a b", "R2_ENDPOINT=https://files.example.com"),
        ("https://files.example.com/%2e%2e", "R2_ENDPOINT=https://files.example.com"),
        ("https://files.example.com:99999", f"https://<account id>.{R2}"),
        ("https://voices.s3.amazonaws.com/other", "R2_ENDPOINT=https://s3.amazonaws.com"),
    ],
)
def test_what_is_not_certain_is_refused_with_the_right_one(text: str, shown: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        connection({**ENV, "R2_ENDPOINT": text})
    assert refused.value.field == "R2_ENDPOINT"
    assert shown in str(refused.value)
    assert "pass-word" not in str(refused.value)


@given(st.text(st.sampled_from("htps:/@.?#[]%-_aA0 é\\\t"), max_size=40))
def test_any_text_is_an_address_or_a_configuration_error(text: str) -> None:
    try:
        found = parsed_endpoint(text, bucket="voices").address
    except ConfigurationError as error:
        assert "R2_ENDPOINT=" in str(error)
    else:
        assert parsed_endpoint(found, bucket="").address == found
        Connection(found, "voices", "key-id", "secret")


def test_the_start_says_what_it_takes_off(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = connection({**ENV, "R2_ENDPOINT": f"https://{ACCOUNT}.{R2}/voices"})
    assert (found.endpoint, found.region) == (f"https://{ACCOUNT}.{R2}", "auto")
    assert f"taken off: https://{ACCOUNT}.{R2}" in caplog.text


@pytest.mark.parametrize(("endpoint", "warned"), [("http://s3.example.com", True), ("http://minio:9000", False)])
def test_plain_http_beyond_a_private_network_is_warned_of(
    caplog: pytest.LogCaptureFixture, endpoint: str, warned: bool
) -> None:
    assert connection({**ENV, "R2_ENDPOINT": endpoint}).endpoint == endpoint
    assert ("unencrypted" in caplog.text) is warned


def test_an_account_in_upper_case_is_taken_and_a_connection_is_made_with_it() -> None:
    found = connection({**ENV, "R2_ACCOUNT_ID": ACCOUNT.upper(), "R2_JURISDICTION": "eu"})
    assert found.endpoint == f"https://{ACCOUNT}.eu.{R2}"


def test_a_connection_of_a_program_is_held_to_the_same() -> None:
    with pytest.raises(ConfigurationError, match="R2_ENDPOINT"):
        Connection(f"https://{ACCOUNT}.{R2}/voices", "voices", "key-id", "secret")


def test_what_is_near_and_what_is_r2_is_told_by_the_address() -> None:
    near = ["http://127.0.0.1:9000", "http://10.1.2.3", "http://minio:9000", "http://[::1]", "http://nas.local"]
    far = ["http://s3.example.com", "http://8.8.8.8", "http://[2001:4860:4860::8888]"]
    assert [is_local(endpoint) for endpoint in near + far] == [True] * len(near) + [False] * len(far)
    assert is_r2(f"https://{ACCOUNT}.{R2}")
    assert not is_r2(f"https://{R2}.example.com")
