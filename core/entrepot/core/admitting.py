"""The admissions of a configuration, opened one after another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeAlias

from entrepot.core.admission import Admission, AdmissionOptions, Admissions, OpenAdmission
from entrepot.core.chosen import Chosen, chosen
from entrepot.core.configuration import Configuration, admissions
from entrepot.core.plugins import Plugins

ChosenAdmission: TypeAlias = Chosen[OpenAdmission[Any], AdmissionOptions]


def chosen_admissions(configuration: Configuration, plugins: Plugins) -> Sequence[ChosenAdmission]:
    """Those of `policy.admission` that are not disabled, in order.

    Raises ConfigurationError: with every unknown name and every mistake in their options.
    """
    return chosen(admissions(configuration), plugins.admission)


@asynccontextmanager
async def open_admissions(
    wanted: Sequence[ChosenAdmission],
) -> AsyncGenerator[Admissions, None]:
    """All of them, open until the context is left."""
    async with AsyncExitStack() as stack:
        named: list[tuple[str, Admission]] = []
        for one in wanted:
            opening = one.registered.open(one.options)
            named.append((one.registered.name, await stack.enter_async_context(opening)))
        yield Admissions(tuple(named))
