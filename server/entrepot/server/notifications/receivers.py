"""The endpoints of a configuration: what each of them gets, and under which name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from entrepot.core.configuration import Configuration
from entrepot.core.configuration.model_services import Endpoint
from entrepot.core.errors import ConfigurationError
from entrepot.core.events import Event
from entrepot.server.notifications.forms import CLOUD_EVENT, CLOUD_EVENTS, ENVELOPE, Form, subject
from entrepot.server.notifications.letters import Letter


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint that is not disabled, under a name that no other one has."""

    name: str
    endpoint: Endpoint

    def wants(self, event: Event) -> bool:
        """Not, if its `ignore` names the action, or the media type of a target that has one."""
        ignore = self.endpoint.ignore
        media_type = event.target.media_type
        return event.action not in ignore.actions and not (
            media_type
            and (media_type in ignore.mediatypes or media_type in self.endpoint.ignoredmediatypes)
        )


def receivers(configuration: Configuration) -> list[Receiver]:
    """All that are not disabled, in order.

    One without a name is called by its host; of two with the same name, the later one gets a
    number behind it.

    Raises ConfigurationError: for each one without a URL.
    """
    found: dict[str, Receiver] = {}
    mistakes: list[str] = []
    for index, endpoint in enumerate(configuration.notifications.endpoints):
        if endpoint.disabled:
            continue
        if not endpoint.url:
            mistakes.append(f"notifications.endpoints.{index}.url: missing; write where to post")
            continue
        name = _free(endpoint.name or urlsplit(endpoint.url).hostname or "endpoint", found)
        found[name] = Receiver(name, endpoint)
    if mistakes:
        raise ConfigurationError(*mistakes)
    return list(found.values())


def _free(name: str, taken: dict[str, Receiver]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


class Writer:
    """Writes an event for each receiver that wants it, once in each form."""

    def __init__(self, wanting: Sequence[Receiver], form: Form) -> None:
        self._wanting = [(receiver, _content_type(receiver.endpoint)) for receiver in wanting]
        self._form = form

    def letters(self, event: Event) -> list[Letter]:
        written: dict[bool, bytes] = {}
        letters: list[Letter] = []
        about = subject(event.target)
        for receiver, content_type in self._wanting:
            if receiver.wants(event):
                is_envelope = content_type == ENVELOPE
                if is_envelope not in written:
                    write = self._form.for_envelope if is_envelope else self._form.cloud_event
                    written[is_envelope] = write(event)
                letters.append(
                    Letter(
                        receiver.name,
                        event.id,
                        event.action,
                        about,
                        event.moment,
                        content_type,
                        written[is_envelope],
                    )
                )
        return letters


def _content_type(endpoint: Endpoint) -> str:
    if endpoint.format == "distribution":
        return ENVELOPE
    return CLOUD_EVENT if endpoint.batch == 1 else CLOUD_EVENTS
