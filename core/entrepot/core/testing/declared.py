"""What a suite lets its author declare, and what it does not let pass in silence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from entrepot.core.testing.bounds import Bounds

_KIT = "entrepot.core.testing."


class Declared(Bounds):
    """A suite whose tests cannot be replaced, only be expected to fail for a reason."""

    pytestmark = pytest.mark.anyio

    deviations: ClassVar[Mapping[str, str]] = {}
    """Names of tests that must fail on this backend, each with the reason."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__module__.startswith(_KIT):
            return
        suite = next(each for each in cls.__mro__ if each.__module__.startswith(_KIT))
        tests = {name for name in dir(suite) if name.startswith("test_")}
        replaced = [name for name in tests if getattr(cls, name) is not getattr(suite, name)]
        if replaced:
            raise TypeError(
                f"{cls.__name__} replaces {', '.join(sorted(replaced))}: "
                "say in `deviations` why the backend cannot pass"
            )
        unknown = cls.deviations.keys() - tests
        if unknown:
            raise TypeError(
                f"{cls.__name__}.deviations names no test: {', '.join(sorted(unknown))}"
            )

    @pytest.fixture
    def anyio_backend(self) -> str:
        """The event loop on which drivers run."""
        return "asyncio"

    @pytest.fixture(autouse=True)
    def deviation(self, request: pytest.FixtureRequest) -> None:
        """Expects a declared deviation to fail."""
        name = getattr(request.function, "__name__", "")
        if name in self.deviations:
            reason = self.deviations[name]
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
