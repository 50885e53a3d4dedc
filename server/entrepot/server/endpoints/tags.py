"""Lists of tags and of repositories. Source: distribution-spec 1.1, "Listing Tags"."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from entrepot.core import layout
from entrepot.core.errors import NameUnknownError, PaginationNumberInvalidError
from entrepot.core.listing import holds
from entrepot.core.names import RepositoryName
from entrepot.server.authorization.sight import visible
from entrepot.server.call import Call

_CATALOGUE_PAGE = 100


async def list_tags(call: Call) -> Response:
    repository = call.repository
    number = _number(call)
    limit = None if number is None else min(number, call.limits.tags)
    after = call.parameter("last") or ""
    page = await repository.tags.page(after, limit)
    if not page.names and not await holds(
        call.registry.driver, layout.repository(repository.name) + "_"
    ):
        raise NameUnknownError(
            f"no repository {repository.name}", detail={"name": repository.name.text}
        )
    response = JSONResponse({"name": repository.name.text, "tags": page.names})
    if page.more and page.names:
        _link(call, response, f"{repository.name}/tags/list", page.names[-1], len(page.names))
    return response


async def list_repositories(call: Call) -> Response:
    number, most = _number(call), call.limits.catalogue_entries
    limit = min(_CATALOGUE_PAGE, most) if number is None else number
    if limit > most:
        raise PaginationNumberInvalidError(
            f"n={limit} is more than the {most} repositories of one page", detail={"n": limit}
        )
    last = call.parameter("last")
    after = RepositoryName.parse(last).text if last else ""
    names: list[str] = []
    more = False
    async with aclosing(_repositories(call, after)) as found:
        async for name in found:
            more = len(names) == limit
            if more:
                break
            names.append(name)
    response = JSONResponse({"repositories": names})
    if more and names:
        _link(call, response, "_catalog", names[-1], limit)
    return response


def _repositories(call: Call, after: str) -> AsyncGenerator[str, None]:
    if call.rights is None:
        return call.registry.repositories(after)
    return visible(call.registry, call.rights, call.identity, after)


def _number(call: Call) -> int | None:
    text = call.parameter("n")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise PaginationNumberInvalidError(
            f"n={text[:20]!r} is no number of results", detail={"n": text[:20]}
        )
    return int(text)


def _link(call: Call, response: Response, path: str, last: str, number: int) -> None:
    query = urlencode({"last": last, "n": number})
    target = call.urls.path(call.scope, f"/v2/{path}?{query}")
    response.headers["Link"] = f'<{target}>; rel="next"'
