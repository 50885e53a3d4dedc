"""The contract of those who admit or refuse a manifest that is pushed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from entrepot.core.manifest import Manifest


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
        raised refuses it too, and is logged.
        """
        ...


class AdmissionOptions(BaseModel):
    """What an admission's `options` may contain: subclass it, one field a key.

    A field's description is what the documentation and the error messages show. Field names
    are the configuration's keys, in lower case.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


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
