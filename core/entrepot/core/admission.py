"""The contract of those who admit or refuse a manifest that is pushed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from entrepot.core.access import DeniedError
from entrepot.core.manifest import Manifest
from entrepot.core.plugin_options import PluginOptions

_LOG = logging.getLogger("entrepot.core")
SECONDS = 30.0
"""How long an admission may look at a manifest; then it counts as failed."""


@dataclass(frozen=True, slots=True)
class Push:
    """A manifest about to be stored: parsed, complete, and not yet seen by anybody."""

    repository: str
    manifest: Manifest
    tags: Sequence[str] = ()  # that are to point to it
    user: str = ""  # the authenticated user's name


class Admission(Protocol):
    """Looks at each manifest before it is stored."""

    async def admit(self, push: Push) -> None:
        """Let it pass by returning.

        Raises DeniedError: to refuse it, with a message for the client; anything else that is
        raised refuses it too, and is logged. So does an admission that has not answered after
        `SECONDS`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admissions:
    """Admissions with their names, asked in this order; all must let a manifest pass."""

    named: tuple[tuple[str, Admission], ...] = ()
    seconds: float = SECONDS

    def __bool__(self) -> bool:
        return bool(self.named)

    async def admit(self, push: Push) -> None:
        """Raises DeniedError: of the first one that refuses."""
        for name, admission in self.named:
            try:
                async with asyncio.timeout(self.seconds):
                    await admission.admit(push)
            except DeniedError:
                raise
            except Exception as error:  # a stranger's code: whatever it raises is its problem
                trace = None if isinstance(error, TimeoutError) else error
                reason = f"no answer in {self.seconds:g} s" if trace is None else str(error)
                _LOG.error("admission %s failed: %s", name, reason, exc_info=trace)
                raise DeniedError(
                    f"the admission {name!r} failed; the registry's log has the cause"
                ) from error


NO_ADMISSIONS = Admissions()


class AdmissionOptions(PluginOptions):
    """What an admission's `options` may contain: subclass it, one field a key."""


AdmissionOptionsT = TypeVar("AdmissionOptionsT", bound=AdmissionOptions)
AdmissionOptionsT_contra = TypeVar(
    "AdmissionOptionsT_contra", bound=AdmissionOptions, contravariant=True
)


class OpenAdmission(Protocol[AdmissionOptionsT_contra]):
    """Opens an admission inside a running event loop, in every worker.

    Leaving the context ends what it began.

    Raises ConfigurationError: if it cannot work as configured, naming the key and what to do.
    """

    def __call__(
        self, options: AdmissionOptionsT_contra, /
    ) -> AbstractAsyncContextManager[Admission, Any]: ...
