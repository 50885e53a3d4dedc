"""`entrepot auth`: explain, hash, key."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from entrepot.core.access import ANONYMOUS, Access, Identity
from entrepot.core.configuration import Loaded, rules_of
from entrepot.core.errors import ConfigurationError, NameInvalidError
from entrepot.core.names import RepositoryName
from entrepot.core.plugins import disabled_by, load_plugins
from entrepot.core.policy import ACTIONS, CATALOGUE, Policy
from entrepot.server.cli.reporting import reported, tell
from entrepot.server.cli.serve import ConfigurationFile, read

app = typer.Typer(
    no_args_is_help=True, help="Say why somebody may do something; make passwords and keys."
)
_LONGEST = 72  # bytes of a password that bcrypt looks at


@app.command()
def explain(
    config: ConfigurationFile = None,
    user: Annotated[str, typer.Option(help="Name of the user who asks.")] = "",
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Somebody asks who does not say who they are.")
    ] = False,
    group: Annotated[
        list[str] | None, typer.Option(help="A group that a plug-in says the user is in.")
    ] = None,
    repository: Annotated[str, typer.Option(help="Name of the repository.")] = "",
    action: Annotated[str, typer.Option(help="pull, push, delete or catalog.")] = "pull",
) -> None:
    """Say whether the access policy lets somebody do something, and which rule decides.

    Exits with 0 if it is allowed, with 1 if not, with 2 if the question is no question.
    """
    if bool(user) == anonymous:
        raise typer.BadParameter("give --user NAME or --anonymous")
    access = _access(repository, action)
    with reported():
        loaded, _ = read(config, load_plugins(disabled_by(os.environ)))
        identity = Identity(user, frozenset(group or ())) if user else ANONYMOUS
        allowed, lines = _answer(loaded, identity, access)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(0 if allowed else 1)


def _access(repository: str, action: str) -> Access:
    if action == "catalog":
        return CATALOGUE
    if action not in ACTIONS:
        raise typer.BadParameter(f"--action is one of {', '.join(ACTIONS)}, catalog")
    try:
        return Access("repository", RepositoryName.parse(repository).text, action)
    except NameInvalidError as error:
        raise typer.BadParameter(f"--repository: {error}") from None


def _answer(loaded: Loaded, identity: Identity, access: Access) -> tuple[bool, list[str]]:
    """Whether it is allowed, and the lines that say so."""
    configuration = loaded.configuration
    method = configuration.auth.method
    what = f"{access.action} {access.name}" if access.type == "repository" else "list repositories"
    who = identity.name or "anonymous"
    if method == "token":
        return False, [f"unknown: the tokens of auth.token say what {who} may do, no rule does"]
    rules = rules_of(configuration)
    if rules is None:
        return _without_policy(method, identity, f"{who} may {what}")
    verdict = Policy(rules).explain(identity, access)
    lines = [f"{'allowed' if verdict.allows else 'refused'}: {who}: {what}"]
    if verdict.rule is not None:
        lines.append(f"  {_place(loaded, verdict.rule)} allows it")
    elif not verdict.others:
        lines.append(f"  no rule holds for {who}")
    if not verdict.allows:
        lines += [f"  {_place(loaded, index)} {reason}" for index, reason in verdict.others]
    return verdict.allows, lines


def _without_policy(method: str, identity: Identity, told: str) -> tuple[bool, list[str]]:
    if method == "none":
        return True, [
            f"allowed: {told}",
            "  auth: none, and no policy: everybody may do everything",
        ]
    if identity.name:
        return True, [f"allowed: {told}", "  no policy: who is authenticated may do everything"]
    return False, [f"refused: {told}", "  no policy: the anonymous may do nothing"]


def _place(loaded: Loaded, index: int) -> str:
    """A rule's path, and where it is written."""
    file = loaded.configuration.access.file
    if file:
        return f"{file}: rules.{index}"
    path = f"access.rules.{index}"
    origins = (at for key, at in loaded.origins.items() if key.startswith(f"{path}."))
    written = next((at for at in origins if at != "default"), "")
    return f"{path} [{written}]"


@app.command(name="hash")
def print_hash(
    user: Annotated[str, typer.Argument(metavar="USER", help="Name of the user.")],
    cost: Annotated[
        int, typer.Option(min=5, max=17, help="How costly guessing is; each step doubles it.")
    ] = 10,
) -> None:
    """Print a line for the file of `auth.htpasswd` or `auth.entrepot`.

    The password is asked for, or read from the first line of the standard input.
    """
    import bcrypt  # noqa: PLC0415 - only this command hashes

    if not user or ":" in user or not user.isprintable():
        raise typer.BadParameter("USER is printable text without ':'")
    password = _password()
    hashed = bcrypt.hashpw(password, bcrypt.gensalt(cost, b"2b"))
    typer.echo(f"{user}:{hashed.decode()}")


def _password() -> bytes:
    if sys.stdin.isatty():
        text: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    password = text.encode()
    if not password or len(password) > _LONGEST or b"\0" in password:
        tell("error", [f"a password of 1 to {_LONGEST} bytes is wanted; bcrypt sees no more"])
        raise typer.Exit(1)
    return password


@app.command(name="key")
def make_key(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file that is not there yet.")],
) -> None:
    """Make a key that signs tokens, for `auth.entrepot.keys`; its name is printed.

    Only its owner may read the file. Give every replica the same file.
    """
    from entrepot.server.authorization.keys import write_key  # noqa: PLC0415 - cryptography is slow

    with reported():
        try:
            typer.echo(write_key(str(path)))
        except FileExistsError:
            told = f"{path} is there already; a key is never overwritten"
            raise ConfigurationError(told) from None
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from None
