"""What all contracts share."""

from __future__ import annotations

from typing import ClassVar

import pytest

__all__ = ["Contract"]


class Contract:
    """Base of the contracts.

    Attributes:
        deviations: names of tests that this adapter does not pass, each with the reason. Such a test must fail:
            a deviation that is no longer one is an error.
    """

    deviations: ClassVar[dict[str, str]] = {}

    @pytest.fixture(autouse=True)
    def _expect_deviations(self, request: pytest.FixtureRequest) -> None:
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.deviations:
            request.applymarker(pytest.mark.xfail(reason=self.deviations[name], strict=True))
