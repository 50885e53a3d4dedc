"""WWW-Authenticate headers. Sources: RFC 7617, RFC 6750 section 3, Distribution's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from entrepot.core.access import Access, UnauthorizedError

Refusal = Literal["", "invalid_token", "insufficient_scope"]

_MESSAGE = "authentication required"


def basic(realm: str) -> UnauthorizedError:
    """Asks for a name and a password."""
    return UnauthorizedError(_MESSAGE, f"Basic realm={_quoted(realm)}")


def bearer(
    realm: str,
    service: str,
    scope: str,
    refusal: Refusal = "",
    *,
    is_expired: bool = False,
) -> UnauthorizedError:
    """Asks for a token for `service` with that scope, to be had at `realm`."""
    parts = [f"Bearer realm={_quoted(realm)}", f"service={_quoted(service)}"]
    if scope:
        parts.append(f"scope={_quoted(scope)}")
    if refusal:
        parts.append(f"error={_quoted(refusal)}")
    return UnauthorizedError(_MESSAGE, ",".join(parts), is_expired=is_expired)


def scope_of(wanted: Sequence[Access]) -> str:
    """Token scopes, one for each resource: `repository:a/b:pull,push repository:c:pull`."""
    actions: dict[tuple[str, str], list[str]] = {}
    for access in wanted:
        of_resource = actions.setdefault((access.type, access.name), [])
        if access.action not in of_resource:
            of_resource.append(access.action)
    return " ".join(f"{kind}:{name}:{','.join(each)}" for (kind, name), each in actions.items())


def _quoted(text: str) -> str:
    """A quoted string that ends where it is meant to; anything but ASCII goes as UTF-8."""
    kept = "".join(character for character in text if character.isprintable())
    escaped = kept.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped.encode().decode("latin-1")}"'
