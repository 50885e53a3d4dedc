"""`log.hooks`: what a mail needs, and what is said of hooks that do nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrepot.core.configuration import Loaded

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]

HEAD = "version: 0.1\nstorage: inmemory\n"
MAIL = "{type: mail, levels: [Error, warn], options: {smtp: {addr: 'a:25'}, from: a@b, to: [c@d]}}"


def test_mail_hook_of_distribution(loaded: Load) -> None:
    [hook] = loaded(f"{HEAD}log: {{hooks: [{MAIL}]}}").configuration.log.hooks

    assert hook.levels == ("error", "warn")
    assert (hook.options.from_, hook.options.to) == ("a@b", ("c@d",))


def test_mail_hook_of_variables(loaded: Load) -> None:
    variables = {
        "TYPE": "mail",
        "LEVELS": "[error]",
        "MAILOPTIONS_FROM": "a@b",
        "MAILOPTIONS_TO": "[c@d]",
        "OPTIONS_SMTP_ADDR": "mail.test:587",
    }
    given = {f"REGISTRY_LOG_HOOKS_0_{name}": value for name, value in variables.items()}

    [hook] = loaded(HEAD, given).configuration.log.hooks

    assert hook.options.smtp.addr == "mail.test:587"
    assert hook.options.from_ == "a@b"


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("{type: mail}", "mail needs options.smtp.addr, options.from, options.to; or set"),
        (MAIL.replace("a:25", "mail.test"), "an address with a port is wanted"),
        (MAIL.replace("warn", "loud"), "levels"),
    ],
)
def test_mistake_in_a_hook_is_one_line(refused: Refuse, hook: str, said: str) -> None:
    [mistake] = refused(f"{HEAD}log: {{hooks: [{hook}]}}")

    assert mistake.startswith("log.hooks.0")
    assert said in mistake


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("{type: slack}", "of an unknown type, left out"),
        (MAIL.replace("[Error, warn]", "[]"), "without `levels` nothing is mailed"),
    ],
)
def test_hook_without_effect_is_noted(loaded: Load, hook: str, said: str) -> None:
    [note] = loaded(f"{HEAD}log: {{hooks: [{hook}]}}").notes

    assert note.startswith("log.hooks: ")
    assert said in note


@pytest.mark.parametrize("hook", ["{type: mail, disabled: true}", MAIL])
def test_hook_in_order_is_not_noted(loaded: Load, hook: str) -> None:
    assert not loaded(f"{HEAD}log: {{hooks: [{hook}]}}").notes
