"""What the sections of the configuration share: null keys, names of variables, secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from entrepot.core.configuration.tree import Scalar, Table, is_mapping, is_null, plain, planted
from entrepot.core.networks import network_of


class Section(BaseModel):
    """A section whose keys are known; a key that it does not know is a mistake."""

    # The texts below keys are for the schema alone; pydantic would parse all modules for them
    # at each start, a third of the time that importing the core takes.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    inlined: ClassVar[str] = ""
    """A word that Distribution allows before the keys in the names of variables."""

    plugged: ClassVar[str] = ""
    """The kind of plug-ins whose names are keys here, each with a section of its own."""

    @model_validator(mode="before")
    @classmethod
    def _take_nulls_as_absent(cls, given: Any) -> Any:
        if is_null(given):
            return {}
        if not is_mapping(given):
            return given
        return {
            key: value
            for key, value in given.items()
            if not (is_null(value) and key in cls.model_fields)
        }


@dataclass(frozen=True, slots=True)
class Variable:
    """The name of a key in environment variables, where Distribution's is not the key itself."""

    word: str


@dataclass(frozen=True, slots=True)
class Secret:
    """Marks a value that is shown to nobody."""


@dataclass(frozen=True, slots=True)
class NoEffect:
    """Marks a key that is taken and not used; a sentence without a full stop says why.

    Whoever gives it another value than its default is told.
    """

    reason: str


SecretText: TypeAlias = Annotated[str, Secret()]


def _is_network(text: str) -> str:
    network_of(text)
    return text


NetworkText: TypeAlias = Annotated[str, AfterValidator(_is_network)]
"""An address or a network, like 10.0.0.0/8."""


def lower(given: object) -> object:
    """A text in lower case; what is no text is left to whoever checks it."""
    return given.lower() if isinstance(given, str) else given


def _parameters(given: object) -> Table:
    if is_null(given):
        return Table(given.origin if isinstance(given, Scalar) else "")
    tree = planted(given, "given")
    if not isinstance(tree, Table):
        raise ValueError("a section is wanted here; put `key: value` lines below it")  # noqa: TRY004
    return tree


def _values(given: object) -> dict[str, Any]:
    values: dict[str, Any] = plain(_parameters(given))
    return values


_OPEN = WithJsonSchema({"type": ["object", "null"]})

Parameters: TypeAlias = Annotated[Table, PlainValidator(_parameters), _OPEN]
"""Keys that only a plug-in knows, kept as written until it says what they are."""

Values: TypeAlias = Annotated[dict[str, Any], PlainValidator(_values), _OPEN]
"""Free keys and values."""

Level: TypeAlias = Annotated[Literal["error", "warn", "info", "debug"], BeforeValidator(lower)]
Headers: TypeAlias = dict[str, tuple[str, ...]]


class Plugged(Section):
    """One of a list of things that plug-ins bring."""

    name: str = ""
    """Which."""
    disabled: bool = False
    """Leave it out."""
    options: Parameters = Field(default_factory=lambda: Table(""))
    """Its options."""
