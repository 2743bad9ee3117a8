"""What is written in another way sounds like what is written plainly: real sound, by its length."""

from __future__ import annotations

import unicodedata
from collections.abc import Generator

import httpx
import pytest
from support.service import RunningService, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningService, None, None]:
    with running_service(tmp_path_factory.mktemp("texts")) as running:
        yield running


def samples(service: RunningService, text: str, **fields: object) -> int:
    body = {"input": text, "response_format": "pcm", **fields}
    answer = httpx.post(f"{service.url}/v1/audio/speech", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return len(answer.content) // 2


@pytest.mark.parametrize(
    ("written", "plain", "language"),
    [
        ("Room １２３ is free", "Room 123 is free", "en-us"),
        ("१२३", "123", "en-us"),
        ("١٢٣ and 𝟏𝟐 and ①", "123 and 12 and 1", "en-us"),
        ("１２３", "123", "ja"),
        (unicodedata.normalize("NFD", "Việt Nam tiếng Việt"), "Việt Nam tiếng Việt", "vi"),
        (unicodedata.normalize("NFD", "안녕하세요"), "안녕하세요", "ko"),
        (unicodedata.normalize("NFD", "Größe schöne Füße Äpfel"), "Größe schöne Füße Äpfel", "de"),
        ("ﬁne oﬃce ﬂow", "fine office flow", "en-us"),
        ("Ｈｅｌｌｏ ｗｏｒｌｄ", "Hello world", "en-us"),
        ("𝐇𝐞𝐥𝐥𝐨 𝐰𝐨𝐫𝐥𝐝", "Hello world", "en-us"),
        ("Hel\u200blo wor\u200bld", "Hello world", "en-us"),
        ("Hel\u2060lo, wor\u00adld", "Hello, world", "en-us"),
        ("home\u0007work", "home work", "en-us"),
        ("**Hello** 😀 [world](https://example.com/a)", "Hello world", "en-us"),
        ("It was a dark\nand stormy night.", "It was a dark and stormy night.", "en-us"),
        ("The U.S. Army arrived.", "The U.S. Army arrived.", "en-us"),
    ],
)
def test_sounds_like_what_is_written_plainly(service: RunningService, written: str, plain: str, language: str) -> None:
    heard = samples(service, written, language=language, sentence_pause_ms=2000)
    assert heard / samples(service, plain, language=language) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("text", [*"&%@#§$€₹+=×∞<>|~^_*-.…→≠∅⟂∮₿", "***", "...", "---", "=====", "+ = +", "-->", "?!"])
def test_a_text_of_marks_alone_is_answered(service: RunningService, text: str) -> None:
    for text_format in ("auto", "plain"):
        assert samples(service, text, text_format=text_format) > 0
    assert samples(service, f"Hello\n{text}\nworld", text_format="plain") >= 0.9 * samples(service, "Hello\nworld")


def test_a_line_of_a_sign_is_heard(service: RunningService) -> None:
    assert samples(service, "Tom\n&\nJerry") > samples(service, "Tom\nJerry")


def test_lines_of_a_list_are_apart(service: RunningService) -> None:
    apart, together = samples(service, "Apples\nPears\nPlums"), samples(service, "Apples Pears Plums")
    assert apart / together > 1.3
    assert apart / samples(service, "Apples. Pears. Plums.") == pytest.approx(1, abs=0.25)
