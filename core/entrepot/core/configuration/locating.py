"""Places for mistakes that are found once the configuration is loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from entrepot.core.configuration.loaded import Loaded

_PLACE = re.compile(r" \[(?:file .* line \d+|environment \w+|default|given)\]$")


def located(mistakes: Iterable[str], loaded: Loaded) -> Iterator[str]:
    """The same mistakes, with where their path was written if they do not say it."""
    for mistake in mistakes:
        place = "" if _PLACE.search(mistake) else _place(mistake.partition(": ")[0], loaded)
        yield f"{mistake} [{place}]" if place else mistake


def _place(path: str, loaded: Loaded) -> str:
    chosen = {
        "storage": loaded.configuration.storage.written,
        "auth": loaded.configuration.auth.written,
    }
    if path in chosen:
        return chosen[path].origin
    within = (place for at, place in loaded.origins.items() if f"{at}.".startswith(f"{path}."))
    return next((place for place in within if place != "default"), "")
