"""Why the library did not get a certificate, in one line for an operator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acme import errors, messages

_PASSING = {"badNonce", "serverInternal"}
_SHOWN = 600  # characters


def reason(error: Exception) -> str:
    return " ".join(_text(error).split())[:_SHOWN]


def is_refusal(error: Exception) -> bool:
    """Whether an authority said no, and will again if nothing changes."""
    if isinstance(error, messages.Error):
        return error.code not in _PASSING
    if isinstance(error, errors.ClientError) and (status := _status(error)):
        return status < 500
    return not isinstance(error, OSError | errors.TimeoutError | errors.NonceError)


def _status(error: errors.ClientError) -> int:
    """Of an answer that was no problem in ACME's form; 0: it is not about one."""
    status = getattr(error.args[0], "status_code", 0) if error.args else 0
    return status if isinstance(status, int) else 0


def _text(error: Exception) -> str:
    if isinstance(error, messages.Error):
        return _problem(error)
    if isinstance(error, errors.ValidationError):
        return "; ".join(_unproved(error))
    if isinstance(error, errors.IssuanceError):
        return _problem(error.error)
    return _failure(error)


def _failure(error: Exception) -> str:
    """Of the conversation itself."""
    if isinstance(error, errors.TimeoutError):
        return "it took too long"
    if isinstance(error, OSError):  # also what the HTTP library raises
        return _root(error)
    if isinstance(error, errors.ClientError) and (status := _status(error)):
        return f"it answered {status}"
    return f"it does not answer as an ACME authority does ({type(error).__name__}: {error})"


def _problem(error: messages.Error) -> str:
    parts = [error.code or str(error.typ), error.detail or error.title or ""]
    if error.identifier is not None:
        parts.insert(0, str(error.identifier.value))
    told = ": ".join(part for part in parts if part)
    below: Any = error.subproblems or ()  # a decoder, for those who check types
    return "; ".join([told, *map(_problem, below)])


def _unproved(error: errors.ValidationError) -> Iterator[str]:
    for failed in error.failed_authzrs:
        body: Any = failed.body
        for challenge in body.challenges:
            if challenge.error is not None:
                host, told = body.identifier.value, _problem(challenge.error)
                yield f"http://{host} does not lead to http.tls.letsencrypt.httpaddr: {told}"


def _root(error: BaseException) -> str:
    """The system's words, from below all that libraries put around them."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    text = getattr(error, "strerror", None) or str(error)
    return text if isinstance(text, str) and text else type(error).__name__
