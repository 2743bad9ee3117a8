"""`.env`: a line is either read as python-dotenv documents, or it stops the start; none is left out."""

from __future__ import annotations

import codecs
import logging
import os
import re
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import example, given
from hypothesis import strategies as st

from chatterbox_api.env_file import read_env_file
from chatterbox_api_core.errors import ConfigurationError
from chatterbox_api_core.settings import Setting, path, words

SECRET = "hunter2hunter2"
DECLARED = (
    Setting("PORT", "", "", str),
    Setting("ENCODERS", "", "", words),
    Setting("DATA_DIR", "", "", path),
    Setting("R2_ACCOUNT_ID", "", "", str, secret=True),
    Setting("R2_SECRET_ACCESS_KEY", "", "", str, secret=True),
)
NAMES = [setting.name for setting in DECLARED]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("env") / "settings.env"


def read(file: Path, content: str | bytes) -> dict[str, str]:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_env_file(file, declared=DECLARED)


def refused(file: Path, content: str | bytes) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(file, content)
    assert caught.value.remedy
    assert str(file) in caught.value.message
    return str(caught.value)


MALFORMED = {
    "{name}: {value}": "colon",
    "{name}:{value}": "colon",
    "{name} : {value}": "colon",
    "export {name}: {value}": "colon",
    "$env:{name}={value}": "colon",
    "{name}: https://{value}.com/?a=b": "colon",
    "{name} {value}": "no =",
    "{name}": "no =",
    "export {name}": "no =",
    "export": "no =",
    "export # {name}={value}": "no =",
    "{value}": "no =",
    "{name} # ={value}": "no =",
    "{name}＝{value}": "no =",
    "={value}": "no name",
    "export ={value}": "no name",
    "MY {name}={value}": "name of other characters",
    "set {name}={value}": "name of other characters",
    "- {name}={value}": "name of other characters",
    "my-{name}={value}": "name of other characters",
    "2{name}={value}": "name of other characters",
    "{name}.x={value}": "name of other characters",
    '"{name}"={value}': "name of other characters",
    "\u200b{name}={value}": "name of other characters",
    "{name}='{value}": "not closed",
    '{name}="{value}': "not closed",
    "export {name} = '{value}": "not closed",
    '{name}="{value}\\"': "not closed",
    "{name}='{value}\\'": "not closed",
    "{name}='{value}'x": "after the closing quote",
    '{name}="{value}" x': "after the closing quote",
    "{name}='{value}' 'x'": "after the closing quote",
}
WELL_FORMED = {
    "{name}={value}": "{value}",
    "{name} = {value}": "{value}",
    "export {name}={value}": "{value}",
    "  {name}={value}  ": "{value}",
    "'{name}'={value}": "{value}",
    "{name}='{value} # no comment'": "{value} # no comment",
    '{name}="{value}" # a comment': "{value}",
    "{name}={value} # a comment": "{value}",
    "{name}={value}#no comment": "{value}#no comment",
    "{name}={value} \"x\" 'y'": "{value} \"x\" 'y'",
    '{name}="{value}\\ttab"': "{value}\ttab",
    "{name}='C:\\{value}'": "C:\\{value}",
    "{name}=": "",
    "{name}= # a comment": "",
    "{name}=a$b$$c$(d)": "a$b$$c$(d)",
    "{name}='a${{b}}'": "a${{b}}",
    "{name}={value}:={value}": "{value}:={value}",
}
NOTHING = ["", "   ", "\t", "# a comment", "  #NAME: value", "#", "# R2_ACCOUNT_ID=abc = def"]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("form", MALFORMED)
def test_what_is_not_understood_names_the_line_and_shows_no_value(file: Path, form: str, ends: str) -> None:
    line = form.format(name="R2_ACCOUNT_ID", value=SECRET)
    told = refused(file, ends.join(["PORT=4123", "", "# R2", line, "", "ENCODERS=wav", ""]))
    assert "line 4:" in told
    assert MALFORMED[form] in told
    assert SECRET not in told


def test_a_name_is_shown_where_it_is_a_setting(file: Path) -> None:
    """Of any other word nobody knows whether it is a name or half a key that was pasted over two lines."""
    assert "R2_ACCOUNT_ID" in refused(file, "R2_ACCOUNT_ID: x")
    assert "PASSWORD" not in refused(file, "PASSWORD: x")


LINES = st.lists(
    st.tuples(
        st.sampled_from([*WELL_FORMED, *MALFORMED, *NOTHING]),
        st.sampled_from(NAMES),
        st.text("abcXYZ019_-./+", min_size=1, max_size=12),
    ),
    max_size=6,
)


@given(LINES, st.sampled_from(["\n", "\r\n"]), st.sampled_from([b"", codecs.BOM_UTF8]))
def test_any_lines_are_all_read_or_the_first_bad_one_is_named(
    file: Path, lines: list[tuple[str, str, str]], ends: str, mark: bytes
) -> None:
    expected: dict[str, str] = {}
    bad = None
    for number, (form, name, value) in enumerate(lines, 1):
        if form in WELL_FORMED:
            expected[name] = WELL_FORMED[form].format(name=name, value=value)
        elif form in MALFORMED:
            bad = bad or number
    content = mark + ends.join(form.format(name=name, value=value) for form, name, value in lines).encode()
    if bad is None:
        assert read(file, content) == expected
    else:
        assert f"line {bad}:" in refused(file, content)


class Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


@given(st.text("AP=:'\"#\\ \n\r\tx-\x0b\u2028", max_size=40))
@example("A='\nPORT=1\nB='")
@example('A="\\"\n\'')
def test_any_text_is_what_dotenv_makes_of_it_or_is_refused(file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    warnings, log = Warnings(), logging.getLogger("dotenv.main")
    log.addHandler(warnings)
    try:
        documented = dotenv_values(stream=StringIO(re.sub("\r\n?", "\n", text)), interpolate=False)
    finally:
        log.removeHandler(warnings)
    try:
        found = read_env_file(file, declared=DECLARED)
    except ConfigurationError:
        return
    assert not warnings.told
    assert found == documented
    assert None not in documented.values()


@pytest.mark.parametrize("quote", "'\"")
def test_a_quote_that_swallows_the_next_setting_is_refused(file: Path, quote: str) -> None:
    told = refused(file, f"MOTTO={quote}\nfirst\nPORT=5000\nLAST={SECRET}{quote}\n")
    assert "line 1:" in told
    assert "PORT in line 3" in told
    assert SECRET not in told
    key = "-----BEGIN KEY-----\nQUJD=\n-----END KEY-----\n"
    assert read(file, f"KEY={quote}{key}{quote}\nPORT=1") == {"KEY": key, "PORT": "1"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_told(file: Path, encoding: str) -> None:
    assert "UTF-8" in refused(file, "PORT=5000\n".encode(encoding))


def test_bytes_that_are_no_text_are_told_with_their_line(file: Path) -> None:
    told = refused(file, f"PORT=1\nNAME=Jürgen{SECRET}\n".encode("latin-1"))
    assert "line 2:" in told
    assert "UTF-8" in told
    assert SECRET not in told
    assert "NUL" in refused(file, "PORT=1\0\n")
    assert "1 MiB" in refused(file, b"#" * (1 << 20) + b"#")


def test_two_values_of_one_name_warn_and_the_last_counts(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert read(file, f"PORT=1\nPORT=1\n\nR2_ACCOUNT_ID={SECRET}\nR2_ACCOUNT_ID=2\n") == {
        "PORT": "1",
        "R2_ACCOUNT_ID": "2",
    }
    (told,) = caplog.messages
    assert "R2_ACCOUNT_ID in lines 4 and 5" in told
    assert SECRET not in told


def test_references_are_replaced_as_documented(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_HOME", "/home/me")
    monkeypatch.delenv("MY_OTHER", raising=False)
    text = "BASE=${MY_HOME}/data\nDATA_DIR=${BASE}/voices\nPORT=${MY_OTHER:-80}\nOTHERS=a${MY_OTHER}b\n"
    assert read(file, text) == dotenv_values(stream=StringIO(text))
    assert read(file, "R2_SECRET_ACCESS_KEY=${MY_HOME}") == {"R2_SECRET_ACCESS_KEY": "/home/me"}


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_setting_never_loses_a_part_to_a_reference(file: Path, monkeypatch: pytest.MonkeyPatch, quote: str) -> None:
    monkeypatch.delenv("MY_OTHER", raising=False)
    for value in ("${MY_OTHER}/x", "a${}b", "${MY_OTHER}"):
        assert "not set" in refused(file, f"DATA_DIR={quote}{value}{quote}\n")
    for value in (f"{SECRET}${{HOME}}", f"${{HOME}}{SECRET}", f"a${{{SECRET}:-x}}", f"a${{{SECRET}}}"):
        told = refused(file, f"R2_SECRET_ACCESS_KEY={quote}{value}{quote}\n")
        assert "single quotes" in told
        assert SECRET not in told
    assert SECRET not in refused(file, f"R2_SECRET_ACCESS_KEY={quote}${{{SECRET}}}{quote}\n")


@given(st.text('ab$ {}:-#"\\', min_size=1, max_size=20).map(str.strip).filter(bool))
def test_a_secret_in_single_quotes_stays_as_it_is(file: Path, secret: str) -> None:
    escaped = secret.replace("\\", "\\\\")
    assert read(file, f"R2_SECRET_ACCESS_KEY='{escaped}'\n") == {"R2_SECRET_ACCESS_KEY": secret}


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_env_file(tmp_path / "nowhere", declared=DECLARED)
    assert "No such file" in str(caught.value)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """`--env-file <(...)` of a shell."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as pipe:
        pipe.write("PORT=5000\n")
    try:
        assert read_env_file(Path(f"/dev/fd/{reader}"), declared=DECLARED) == {"PORT": "5000"}
    finally:
        os.close(reader)
