"""Sizes as options give them."""

from __future__ import annotations

from pydantic import ByteSize, TypeAdapter, ValidationError

from entrepot.core.errors import ConfigurationError

_BYTES = TypeAdapter(ByteSize)


def size(option: str, text: str | None) -> int | None:
    """Bytes, from text like 50MiB; None if there is none.

    Raises ConfigurationError: naming the option.
    """
    if text is None:
        return None
    try:
        found = int(_BYTES.validate_python(text))
    except ValidationError:
        found = 0
    if found <= 0:
        raise ConfigurationError(f"{option}: {text!r} is no size; write one like 512MiB or 10GiB")
    return found
