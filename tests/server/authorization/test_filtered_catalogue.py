"""The catalogue shows each client what it may pull, page by page."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from tests.core.stores import open_memory
from tests.core.test_catalogue import NAMES, hold
from tests.server.authorization.conftest import ALICE, BOB, Start, token
from tests.server.conftest import Pusher

from entrepot.core.access import Access, Identity
from entrepot.core.configuration.model_access import AccessRules
from entrepot.core.errors import UnsupportedError
from entrepot.core.policy import Policy
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.server.authorization import sight
from entrepot.server.authorization.rights import PolicyRights

ALL = ["alice/app", "bob/app", "public/app", "secret", "secret/deep", "team/app", "team/deep/app"]
LIST = "registry:catalog:*"


@pytest.fixture
def filled(service: TestClient) -> TestClient:
    for name in ALL:
        header = token(service, ALICE, f"repository:{name}:pull,push")
        service.headers.update(header)
        Pusher(service).image(name, "1")
    del service.headers["Authorization"]
    return service


def pages(client: TestClient, header: dict[str, str], size: int) -> list[list[str]]:
    found: list[list[str]] = []
    url = f"/v2/_catalog?n={size}"
    while url:
        answer = client.get(url, headers=header)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["repositories"])
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    return found


@pytest.mark.parametrize(
    ("user", "names"), [(ALICE, ALL), (BOB, ["bob/app", "public/app", "team/app"])]
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_hold_what_may_be_pulled(
    filled: TestClient, user: tuple[str, str], names: list[str], size: int
) -> None:
    found = pages(filled, token(filled, user, LIST), size)

    assert [name for page in found for name in page] == names
    assert [len(page) for page in found[:-1]] == [size] * (len(found) - 1)
    assert found[-1]


def test_link_names_nothing_that_is_hidden(filled: TestClient) -> None:
    header = token(filled, BOB, LIST)

    answer = filled.get("/v2/_catalog?n=2", headers=header)

    assert answer.links["next"]["url"] == "/v2/_catalog?last=public%2Fapp&n=2"


def test_catalogue_can_begin_behind_what_is_hidden(filled: TestClient) -> None:
    answer = filled.get("/v2/_catalog?last=secret/deep", headers=token(filled, BOB, LIST))

    assert answer.json() == {"repositories": ["team/app"]}


def test_without_the_right_there_is_no_catalogue(filled: TestClient) -> None:
    assert filled.get("/v2/_catalog", headers=token(filled, None, LIST)).status_code == 401
    assert filled.get("/v2/_catalog").status_code == 401


def test_catalogue_wants_a_token_even_where_everybody_may_see_it(
    start: Start, users: Path, key: Path
) -> None:
    rule = {"anonymous": True, "repositories": ["public/*"], "actions": ["pull", "catalog"]}
    auth = {"entrepot": {"htpasswd": str(users), "keys": [str(key)]}}
    client = start(auth=auth, access={"rules": [rule]})

    assert client.get("/v2/_catalog").status_code == 401
    assert client.get("/v2/_catalog", headers=token(client, None, LIST)).status_code == 200


def test_catalogue_is_whole_without_a_policy(start: Start, users: Path) -> None:
    client = start(auth={"entrepot": {"htpasswd": str(users)}})
    client.headers.update(token(client, ALICE, "repository:alice/app:pull,push"))
    Pusher(client).image("alice/app", "1")

    answer = client.get("/v2/_catalog", headers=token(client, BOB, LIST))

    assert answer.json() == {"repositories": ["alice/app"]}


GLOBS = st.sampled_from(["**", "a/**", "*", "*/1", "a*/**", "{user}/**", "**/a", "1/a", "a", "b*"])


async def seen(names: set[str], rights: PolicyRights, after: str) -> tuple[list[str], list[str]]:
    """The names that are visible, and the folders that were looked at to find them."""
    looked_at: list[str] = []

    class Watching(Registry):
        def repositories(self, after: str = "", enters: Any = None) -> Any:
            def noting(folder: str) -> bool:
                looked_at.append(folder)
                return bool(enters(folder))

            return super().repositories(after, noting)

    async with open_memory() as driver, open_registry(driver, Rules()) as registry:
        for name in names:
            await hold(driver, name)
        watching = Watching(driver, registry.rules, registry.threads)
        found = [name async for name in sight.visible(watching, rights, Identity("a"), after)]
        return found, looked_at


@settings(max_examples=50)
@given(st.sets(NAMES, max_size=8), st.lists(GLOBS, min_size=1, max_size=2), NAMES | st.just(""))
def test_visible_is_what_may_be_pulled_in_order(
    names: set[str], globs: list[str], after: str
) -> None:
    rules = [{"authenticated": True, "repositories": globs, "actions": ["pull"]}]
    policy = Policy(AccessRules.model_validate({"rules": rules}))
    ordered = sorted(names | {after}, key=lambda name: name.split("/"))
    wanted = [
        name
        for name in ordered[ordered.index(after) + 1 :]
        if name in names and policy.allows(Identity("a"), Access("repository", name, "pull"))
    ]

    assert asyncio.run(seen(names, PolicyRights(policy), after))[0] == wanted


def rights_for(*globs: str) -> PolicyRights:
    rule = {"authenticated": True, "repositories": globs, "actions": ["pull"]}
    return PolicyRights(Policy(AccessRules.model_validate({"rules": [rule]})))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("after", "folders"),
    [
        ("", ["other", "team", "team/app", "team/deep", "team/deep/er"]),
        ("other/app3", ["other", "team", "team/app", "team/deep", "team/deep/er"]),
        ("team/app", ["team", "team/app", "team/deep", "team/deep/er"]),
    ],
)
async def test_folders_below_what_holds_nothing_for_one_are_not_looked_at(
    after: str, folders: list[str]
) -> None:
    names = {f"other/app{number}" for number in range(20)} | {"team/app", "team/deep/er/app"}

    found, looked_at = await seen(names, rights_for("team/*"), after)

    assert found == ([] if after == "team/app" else ["team/app"])
    assert sorted(set(looked_at)) == folders


@pytest.mark.anyio
async def test_too_many_hidden_names_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight, "MOST_HIDDEN", 5)
    hidden = {f"a{number}" for number in range(5)}
    rights = rights_for("*/b", "z")

    assert (await seen({*hidden, "z"}, rights, ""))[0] == ["z"]
    with pytest.raises(UnsupportedError):
        await seen({*hidden, "a5", "z"}, rights, "")
