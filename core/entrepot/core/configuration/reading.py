"""Files that a configuration is in, or that it names: read, but not without end."""

from __future__ import annotations

import os

from entrepot.core.errors import ConfigurationError

MOST = 1024 * 1024
"""Bytes of a file, at most."""


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file, without the mark that some editors begin it with.

    Raises ConfigurationError: with the reason alone, if it cannot be read, is no UTF-8 text or
    has more than `MOST` bytes.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MOST + 1)
        if len(content) > MOST:
            raise ConfigurationError("too large: a configuration has 1 MiB at most")
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigurationError("cannot be read: it is not UTF-8 text") from None
    except ValueError:
        raise ConfigurationError("cannot be read: it is no path") from None
