"""What happened in the registry, and the contract of those who are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

from entrepot.core.manifest import Descriptor
from entrepot.core.plugin_options import PluginOptions

SECONDS = 5.0
"""How long an observer may take for an event."""

Action: TypeAlias = Literal["pull", "push", "mount", "delete"]


@dataclass(frozen=True, slots=True)
class Target:
    """What something happened to. `size` is bytes. What does not apply is empty.

    The deletion of a tag has a `tag` and no digest. `references` are what a manifest names.
    """

    repository: str
    digest: str = ""
    media_type: str = ""
    size: int = 0
    tag: str = ""
    url: str = ""
    from_repository: str = ""  # where a blob was mounted from
    artifact_type: str = ""
    annotations: dict[str, str] = field(default_factory=dict[str, str])
    references: Sequence[Descriptor] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The request that something happened by. `address` is the client's, proxies seen through."""

    id: str  # a UUID, the same as in the log
    address: str = ""
    host: str = ""
    method: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, told after it is durable."""

    id: str  # a UUID
    moment: float  # seconds since the epoch
    action: Action
    target: Target
    source: Source
    actor: str = ""  # the authenticated user's name


class Observer(Protocol):
    """Is told of events; calls begin in the order in which things happened here.

    While one call waits for something, the next may begin: one observer never keeps requests
    waiting for each other.
    """

    async def observe(self, event: Event) -> None:
        """Take an event. The client waits for it, so keep it and do what is slow elsewhere.

        What it raises is logged and changes nothing for the client. After `SECONDS` it is
        cancelled, and the event is lost to it.
        """
        ...


class ObserverOptions(PluginOptions):
    """What an observer's `options` may contain: subclass it, one field a key."""


ObserverOptionsT = TypeVar("ObserverOptionsT", bound=ObserverOptions)
ObserverOptionsT_contra = TypeVar(
    "ObserverOptionsT_contra", bound=ObserverOptions, contravariant=True
)


class OpenObserver(Protocol[ObserverOptionsT_contra]):
    """Opens an observer inside a running event loop, in every worker.

    Leaving the context ends what it began; no event comes afterwards.

    Raises ConfigurationError: if it cannot work as configured, naming the key and what to do.
    """

    def __call__(
        self, options: ObserverOptionsT_contra, /
    ) -> AbstractAsyncContextManager[Observer, Any]: ...
