"""The base of all contracts."""

from __future__ import annotations

from typing import ClassVar

import pytest

__all__ = ["Contract"]


class Contract:
    """The base of all contracts.

    Attributes:
        deviations: the reason for each test that this adapter does not pass, by the name of the test. Such a test must
            fail: a deviation that has become unnecessary is an error.
    """

    deviations: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _expect_deviations(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.deviations:
            request.applymarker(pytest.mark.xfail(reason=self.deviations[name], strict=True))
