"""A further driver, which the options of a middleware name in the form of `storage`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from entrepot.core.configuration.tree import Table, is_null, planted
from entrepot.core.driver import Driver

_WANTED = "a section with one driver is wanted, like `filesystem: {rootdirectory: /data}`"


class OtherStorage:
    """The type of an options field whose section is one driver's name with its parameters.

    They are checked like those of `storage`, with their paths, and secrets are hidden like
    theirs. `open` it in the middleware's own context.
    """

    def __init__(self, name: str, written: Table) -> None:
        self.name = name
        self.written = written
        self._opening: Callable[[], AbstractAsyncContextManager[Driver, Any]] | None = None

    def bind(self, opening: Callable[[], AbstractAsyncContextManager[Driver, Any]]) -> None:
        """Say how the driver is opened: what chooses the middlewares does."""
        self._opening = opening

    def open(self) -> AbstractAsyncContextManager[Driver, Any]:
        """The driver, opened inside a running event loop and closed with the context.

        Keys are checked and errors have its name. Raises StorageError: if the backend cannot be
        used as configured.
        """
        if self._opening is None:
            raise RuntimeError(f"the options that name the driver {self.name!r} are not chosen yet")
        return self._opening()

    @classmethod
    def parse(cls, given: object) -> OtherStorage:
        """Raises ValueError: if it is no section with exactly one driver."""
        if isinstance(given, cls):
            return given
        tree = planted(given, "given")
        if not isinstance(tree, Table) or len(tree) != 1:
            raise ValueError(_WANTED)
        (name, written), *_ = tree.items()
        if is_null(written):
            written = Table(written.origin)
        if not isinstance(written, Table):
            raise ValueError(_WANTED)  # noqa: TRY004 - pydantic takes no TypeError for a mistake
        return cls(name, written)

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "object", "minProperties": 1, "maxProperties": 1}


def other_storages(options: BaseModel) -> Iterator[tuple[str, OtherStorage]]:
    """The further drivers that options name, each with its key."""
    for name, field in type(options).model_fields.items():
        value = getattr(options, name)
        if isinstance(value, OtherStorage):
            yield field.alias or name, value


def keys_of_others(model: type[BaseModel]) -> list[str]:
    """The keys under which options of a model name further drivers."""
    fields = model.model_fields.items()
    return [field.alias or name for name, field in fields if field.annotation is OtherStorage]
