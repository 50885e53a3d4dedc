"""`entrepot delete`: a tag, a manifest or a whole repository."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from entrepot.core import deletion, inventory
from entrepot.core.collecting.timing import LONGEST_PUSH
from entrepot.core.driver import Driver
from entrepot.core.errors import ConfigurationError, ProtocolError
from entrepot.core.names import Digest, Reference, RepositoryName, Tag
from entrepot.core.read_only import Switch
from entrepot.core.registry import Registry, Rules, open_registry
from entrepot.core.tag_rules import NO_TAG_RULES, TagRules
from entrepot.server.cli.figures import amount
from entrepot.server.cli.interrupting import resumable
from entrepot.server.cli.opening import Store, store_of
from entrepot.server.cli.progress import progress
from entrepot.server.cli.reporting import reported, tell

_CONTINUED = "run it again to go on where it stopped"
_WAIT = LONGEST_PUSH + 5  # seconds; a push that takes longer looks again at what it names


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be deleted: a repository, or what `reference` names in it."""

    name: RepositoryName
    reference: Reference | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Raises NameInvalidError, TagInvalidError, DigestInvalidError."""
        name, at, digest = text.partition("@")
        if at:
            return cls(RepositoryName.parse(name), Digest.parse(digest))
        name, colon, tag = text.partition(":")
        return cls(RepositoryName.parse(name), Tag.parse(tag) if colon else None)

    def __str__(self) -> str:
        if self.reference is None:
            return self.name.text
        return f"{self.name}{'@' if isinstance(self.reference, Digest) else ':'}{self.reference}"


def delete(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="The configuration whose storage is meant.")
    ],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST each."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-d", help="Show what would be deleted, delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    even_immutable: Annotated[
        bool,
        typer.Option("--even-immutable", help="Delete what `policy.tags` keeps from it, too."),
    ] = False,
) -> None:
    """Delete tags, manifests with their tags, or whole repositories, while registries serve.

    `storage.delete` is about clients and says nothing here. Bytes are left to garbage collection.
    Exits with 1 if something of it was not there; the rest is deleted all the same.
    """
    with reported():
        store = store_of(config)
        targets = _parsed(names)
        rules = NO_TAG_RULES if even_immutable else TagRules(store.configuration.policy.tags)
        found = asyncio.run(_described(store, targets))
        if found and not dry_run:
            if not yes:
                _ask()
            within = Rules(verify_references=False, tags=rules)
            resumable(_delete(store, found, within), _CONTINUED)
        if len(found) < len(targets):
            raise typer.Exit(1)


def _parsed(names: Sequence[str]) -> list[Target]:
    """Raises ConfigurationError: with every name that is none."""
    targets: list[Target] = []
    mistakes: list[str] = []
    for name in names:
        try:
            targets.append(Target.parse(name))
        except ProtocolError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise ConfigurationError(*mistakes)
    return list(dict.fromkeys(targets))


def _ask() -> None:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to confirm it; say --yes")
    typer.confirm("Delete that?", abort=True, err=True)


async def _described(store: Store, targets: Sequence[Target]) -> list[Target]:
    """Those that are there; what each is has been shown, and what is not there told."""
    found: list[Target] = []
    async with (
        store.opening() as driver,
        open_registry(driver, Rules(), store.name) as registry,
    ):
        for target in targets:
            try:
                typer.echo(f"{target}: {await _description(registry, target)}")
                found.append(target)
            except ProtocolError as error:
                tell("error", [str(error)])
    return found


async def _description(registry: Registry, target: Target) -> str:
    """Raises NameUnknownError, ManifestUnknownError: if there is no such thing."""
    repository = registry.repository(target.name)
    match target.reference:
        case Tag() as tag:
            return f"a tag of {await repository.tags.get(tag)}"
        case Digest() as digest:
            await repository.manifests.get(digest)
            tags = ", ".join(await _tags_of(registry.driver, target.name, digest))
            return f"a manifest, with its tags {tags}" if tags else "a manifest without tags"
        case _:
            found = await deletion.content_of(registry.driver, target.name)
            figures = (
                (found.tags, "tags"),
                (found.manifests, "manifests"),
                (found.links, "links to blobs"),
                (found.uploads, "uploads"),
            )
            return ", ".join(amount(number, unit) for number, unit in figures)


async def _tags_of(driver: Driver, name: RepositoryName, digest: Digest) -> list[str]:
    async with aclosing(inventory.tags(driver, name)) as tags:
        return [tag.text async for tag, current in tags if current == digest]


async def _delete(store: Store, targets: Sequence[Target], rules: Rules) -> None:
    async with store.opening() as driver, open_registry(driver, rules, store.name) as registry:
        await Switch(driver).check()
        with progress("deleting", unit="objects") as bar:
            for target in targets:
                repository = registry.repository(target.name)
                match target.reference:
                    case Tag() as tag:
                        await repository.tags.delete(tag)
                    case Digest() as digest:
                        await repository.manifests.delete(digest)
                    case _:
                        await deletion.delete_repository(registry, target.name, bar.advance)
                        await deletion.mend(registry, target.name)
                typer.echo(f"deleted {target}")
        whole = [target.name for target in targets if target.reference is None]
        if whole:
            await _look_after(registry, whole)


async def _look_after(registry: Registry, names: Sequence[RepositoryName]) -> None:
    """Give pushes that were under way what the deletion took from under them."""
    told = f"waiting {_WAIT:g} s for pushes that were under way; all is deleted already"
    typer.echo(told, err=True)
    try:
        await asyncio.sleep(_WAIT)
    except asyncio.CancelledError:
        shown = ", ".join(map(str, names))
        tell("note", [f"who pushed to {shown} in the last minute may have to push again"])
        raise
    for name in names:
        if kept := await deletion.mend(registry, name):
            tell("note", [f"{name} was pushed to meanwhile: {kept} manifests are there"])
