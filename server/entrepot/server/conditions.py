"""Conditional requests. Source: RFC 9110 section 13."""

from __future__ import annotations


def matches(header: str | None, digest: str) -> bool:
    """Whether an If-None-Match header names this digest, quoted, weak, bare or by `*`."""
    if header is None:
        return False
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return any(tag in {"*", digest} for tag in tags)


def unmet(header: str | None, digest: str) -> bool:
    """Whether an If-Match header asks for another digest than this one."""
    if header is None:
        return False
    tags = (tag.strip() for tag in header.split(","))
    return not any(tag == "*" or tag.strip('"') == digest for tag in tags)


def still_valid(header: str | None, digest: str) -> bool:
    """Whether an If-Range header, if there is one, names this digest; a date never does."""
    return header is None or header.strip().strip('"') == digest
