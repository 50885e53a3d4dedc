"""The access policy: who may do what."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.core.access import ANONYMOUS, Access, Identity
from entrepot.core.configuration.model_access import AccessRules
from entrepot.core.policy import CATALOGUE, Policy

RULES: dict[str, Any] = {
    "groups": {"developers": ["alice", "bob"], "outside": []},
    "rules": [
        {"anonymous": True, "repositories": ["public/**"], "actions": ["pull"]},
        {"groups": ["developers"], "repositories": ["team/*"], "actions": ["pull", "push"]},
        {"authenticated": True, "repositories": ["{user}/**"], "actions": ["*"]},
        {"users": ["robot"], "repositories": ["team/**"], "actions": ["delete"]},
        {"groups": ["outside"], "repositories": ["team/app"], "actions": ["pull"]},
        {"users": ["auditor"], "actions": ["catalog"]},
        {"users": ["root"], "repositories": ["**"], "actions": ["*"]},
    ],
}
WHO = {
    "": ANONYMOUS,
    "guest": Identity("guest"),
    "guest+outside": Identity("guest", frozenset({"outside"})),
    "guest+developers": Identity("guest", frozenset({"developers"})),
    "+developers": Identity("", frozenset({"developers"})),
    **{name: Identity(name) for name in ("alice", "bob", "robot", "auditor", "root")},
}


def policy(rules: dict[str, Any] | None = None) -> Policy:
    return Policy(AccessRules.model_validate(rules or RULES))


@pytest.mark.parametrize(
    ("who", "name", "allowed"),
    [
        ("", "public/app", "pull"),
        ("", "public/deep/app", "pull"),
        ("", "public", ""),
        ("", "team/app", ""),
        ("guest", "public/app", "pull"),
        ("guest", "guest/app", "pull push delete *"),
        ("guest", "alice/app", ""),
        ("guest", "team/app", ""),
        ("guest+outside", "team/app", "pull"),
        ("guest+outside", "guest/app", "pull push delete *"),
        ("guest+developers", "team/app", "pull push"),
        ("+developers", "team/app", ""),
        ("alice", "team/app", "pull push"),
        ("alice", "team/deep/app", ""),
        ("alice", "alice/app", "pull push delete *"),
        ("alice", "bob/app", ""),
        ("robot", "team/app", "delete"),
        ("robot", "team/deep/app", "delete"),
        ("robot", "public/app", "pull"),
        ("root", "anything", "pull push delete *"),
    ],
)
def test_who_may_do_what_with_a_repository(who: str, name: str, allowed: str) -> None:
    asked = policy()

    found = {
        action: asked.allows(WHO[who], Access("repository", name, action))
        for action in ("pull", "push", "delete", "*", "admin", "")
    }

    assert " ".join(action for action, is_allowed in found.items() if is_allowed) == allowed


@pytest.mark.parametrize("who", WHO)
def test_who_may_list_the_repositories(who: str) -> None:
    allowed = who in {"auditor", "root", "alice", "bob", "robot", "guest"} or who.startswith(
        "guest"
    )

    assert policy().allows(WHO[who], CATALOGUE) == allowed


@pytest.mark.parametrize(
    "access",
    [
        Access("registry", "catalog", "pull"),
        Access("registry", "other", "*"),
        Access("plugin", "public/app", "pull"),
        Access("", "public/app", "pull"),
    ],
)
def test_nobody_may_do_what_is_no_action(access: Access) -> None:
    assert not policy().allows(WHO["root"], access)


def test_rules_of_several_kinds_add_up_to_every_action() -> None:
    shared = {"users": ["alice"], "repositories": ["app"]}
    rules = [shared | {"actions": [action]} for action in ("delete", "pull", "push")]

    allowing = policy({"rules": rules})

    assert allowing.allows(WHO["alice"], Access("repository", "app", "*"))
    assert not policy({"rules": rules[:2]}).allows(WHO["alice"], Access("repository", "app", "*"))


def test_verdict_names_the_rule_that_allows() -> None:
    verdict = policy().explain(WHO["alice"], Access("repository", "team/app", "push"))

    assert (verdict.allows, verdict.rule) == (True, 1)


def test_verdict_says_why_each_rule_does_not_allow() -> None:
    verdict = policy().explain(WHO["alice"], Access("repository", "team/app", "delete"))

    assert not verdict.allows
    assert verdict.rule is None
    assert verdict.others == (
        (0, "allows pull, not delete"),
        (1, "allows pull, push, not delete"),
        (2, "is for {user}/**"),
    )


NAMES = st.sampled_from(["public/app", "team/app", "team/deep/app", "alice/app", "bob/x/y", "app"])
ACTIONS = st.sampled_from(["pull", "push", "delete"])


@given(st.sampled_from(sorted(WHO)), NAMES, ACTIONS)
def test_verdict_is_what_is_allowed(who: str, name: str, action: str) -> None:
    asked, access = policy(), Access("repository", name, action)

    verdict = asked.explain(WHO[who], access)

    assert verdict.allows == asked.allows(WHO[who], access) == (verdict.rule is not None)


@given(st.permutations(RULES["rules"]), st.sampled_from(sorted(WHO)), NAMES, ACTIONS)
def test_order_of_rules_means_nothing(rules: Any, who: str, name: str, action: str) -> None:
    access = Access("repository", name, action)

    turned = policy({"groups": RULES["groups"], "rules": rules})

    assert turned.allows(WHO[who], access) == policy().allows(WHO[who], access)


@given(st.sampled_from(sorted(WHO)), NAMES)
def test_every_folder_on_the_way_to_what_may_be_pulled_is_entered(who: str, name: str) -> None:
    asked = policy()
    if not asked.allows(WHO[who], Access("repository", name, "pull")):
        return
    parts = name.split("/")

    assert all(
        asked.enters(WHO[who], "/".join(parts[:count])) for count in range(1, len(parts) + 1)
    )


def test_folder_is_not_entered_for_what_may_only_be_deleted() -> None:
    assert policy().enters(WHO["alice"], "team")
    assert not policy().enters(WHO["robot"], "team")
    assert not policy().enters(WHO["alice"], "bob")


def test_anonymous_are_admitted_only_by_a_rule_of_theirs() -> None:
    assert policy().admits_anonymous
    assert not policy({"rules": RULES["rules"][1:]} | {"groups": RULES["groups"]}).admits_anonymous
