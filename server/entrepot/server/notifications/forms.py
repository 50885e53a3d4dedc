"""An event as a receiver gets it: Distribution's envelope, or CloudEvents 1.0."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from entrepot.core.configuration import Http
from entrepot.core.events import Event, Target
from entrepot.core.manifest import Descriptor
from entrepot.server.instance import INSTANCE

ENVELOPE = "application/vnd.docker.distribution.events.v2+json"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"
_INDENT = 3
_TYPE = "io.entrepot."


@dataclass(frozen=True, slots=True)
class Origin:
    """The registry as events name it: where it runs, and which start of it this is."""

    address: str  # host:port, or the host alone
    instance: str = INSTANCE

    @classmethod
    def here(cls, http: Http) -> Origin:
        host = socket.gethostname()
        address = http.address
        return cls(f"{host}:{address.port}" if address is not None else host)


@dataclass(frozen=True, slots=True)
class Form:
    """How to write events; `references` says whether manifests come with what they name."""

    origin: Origin
    references: bool = False

    def for_envelope(self, event: Event) -> bytes:
        """As Distribution 3 writes it, indented by three spaces."""
        written = {
            "id": event.id,
            "timestamp": timestamp(event.moment),
            "action": event.action,
            "target": self._target(event.target),
            "request": _request(event),
            "actor": _actor(event),
            "source": {"addr": self.origin.address, "instanceID": self.origin.instance},
        }
        return to_json(written, indent=_INDENT)

    def cloud_event(self, event: Event) -> bytes:
        """Structured JSON. Source: CloudEvents 1.0.2, "JSON Event Format"."""
        target = self._target(event.target)
        if event.target.artifact_type:
            target["artifactType"] = event.target.artifact_type
        return to_json(
            {
                "specversion": "1.0",
                "id": event.id,
                "source": f"//{self.origin.address}",
                "type": f"{_TYPE}{event.action}",
                "subject": subject(event.target),
                "time": timestamp(event.moment),
                "datacontenttype": "application/json",
                "data": {
                    "action": event.action,
                    "target": target,
                    "request": _request(event),
                    "actor": _actor(event),
                    "source": {"addr": self.origin.address, "instanceID": self.origin.instance},
                },
            }
        )

    def _target(self, target: Target) -> dict[str, Any]:
        """A deletion has the empty fields of a descriptor, too, as Distribution 3 writes them."""
        written: dict[str, Any] = {
            "mediaType": target.media_type,
            "digest": target.digest,
            "size": target.size,
        }
        more = {
            "length": target.size,  # for receivers made for the first registry
            "repository": target.repository,
            "fromRepository": target.from_repository,
            "url": target.url,
            "tag": target.tag,
        }
        written |= {key: value for key, value in more.items() if value}
        if self.references and target.references:
            written["references"] = [_descriptor(one) for one in target.references]
        return written


def request_body(content_type: str, events: Sequence[bytes]) -> bytes:
    """Events that were written as one request; of type `CLOUD_EVENT` there is but one."""
    if content_type == ENVELOPE:
        indented = (event.replace(b"\n", b"\n      ") for event in events)
        return b'{\n   "events": [\n      ' + b",\n      ".join(indented) + b"\n   ]\n}"
    return events[0] if content_type == CLOUD_EVENT else b"[" + b",".join(events) + b"]"


def subject(target: Target) -> str:
    """What it happened to, as people name it."""
    if target.tag:
        return f"{target.repository}:{target.tag}"
    return f"{target.repository}@{target.digest}" if target.digest else target.repository


def timestamp(moment: float) -> str:
    """RFC 3339, in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def _request(event: Event) -> dict[str, str]:
    source = event.source
    return {
        "id": source.id,
        **({"addr": source.address} if source.address else {}),
        **({"host": source.host} if source.host else {}),
        "method": source.method,
        "useragent": source.user_agent,
    }


def _actor(event: Event) -> dict[str, str]:
    return {"name": event.actor} if event.actor else {}


def _descriptor(one: Descriptor) -> dict[str, Any]:
    return one.model_dump(exclude_none=True)
