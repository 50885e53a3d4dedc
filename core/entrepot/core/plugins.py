"""Plug-ins: found by entry points, listed for people, their hooks behind typed methods.

Only this module touches pluggy's untyped relay. Nothing here is global: whoever needs
plug-ins loads them and passes them on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from entrepot.core import hookspecs
from entrepot.core.driver import DriverOptions, OpenDriver, OptionsT
from entrepot.core.errors import ConfigurationError
from entrepot.core.offers import Offers
from entrepot.core.requirements import absent, told_missing
from entrepot.core.wrapping import MiddlewareOptions, MiddlewareOptionsT, OpenMiddleware

DISABLE = "ENTREPOT_DISABLE_PLUGINS"
"""The environment variable that names plug-ins not to be loaded, separated by commas."""


@dataclass(frozen=True, slots=True)
class RegisteredDriver:
    """A driver some plug-in offers; `open_driver` takes an instance of `options`."""

    name: str
    open_driver: OpenDriver[Any]
    options: type[DriverOptions]
    plugin: str
    aliases: tuple[str, ...] = ()
    problem: str = ""  # what has to be installed before it can be opened


@dataclass(frozen=True, slots=True)
class RegisteredStorageMiddleware:
    """A storage middleware some plug-in offers; see `RegisteredDriver`."""

    name: str
    open_middleware: OpenMiddleware[Any]
    options: type[MiddlewareOptions]
    plugin: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plugin:
    """What there is to say of an installed plug-in. `problem` is why it does not work."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    problem: str = ""
    storage_middlewares: tuple[str, ...] = ()


class Plugins:
    """The plug-ins of this process and what they registered; made by `load_plugins`."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._drivers = Offers[RegisteredDriver]("driver")
        self._storage_middlewares = Offers[RegisteredStorageMiddleware]("storage middleware")
        self._plugins: dict[str, Plugin] = {}

    def add(self, plugin: object, name: str, distribution: str = "", version: str = "") -> None:
        """Take a plug-in's hooks; one that breaks a rule is listed with its problem instead."""
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            self._call_of(plugin, "register_drivers", self._driver_taker(name, distribution))
            taker = self._storage_middleware_taker(name)
            self._call_of(plugin, "register_storage_middlewares", taker)
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            self._drivers.withdraw(name)
            self._storage_middlewares.withdraw(name)
            self.refuse(name, distribution, version, f"{type(error).__name__}: {error}")
            return
        callers = self._manager.get_hookcallers(plugin) or []
        self._plugins[name] = Plugin(
            name,
            distribution,
            version,
            tuple(caller.name for caller in callers),
            self._drivers.of(name),
            storage_middlewares=self._storage_middlewares.of(name),
        )

    def refuse(self, name: str, distribution: str, version: str, problem: str) -> None:
        """List a plug-in that cannot be used."""
        self._plugins[name] = Plugin(name, distribution, version, problem=problem)

    @property
    def plugins(self) -> Sequence[Plugin]:
        """All that are installed, by name; those with a problem too."""
        return [self._plugins[name] for name in sorted(self._plugins)]

    @property
    def drivers(self) -> Mapping[str, RegisteredDriver]:
        """The drivers that a configuration may name, by name, without aliases."""
        return self._drivers.by_name

    @property
    def driver_options(self) -> Mapping[str, type[DriverOptions]]:
        """The options model of each driver, by name and alias."""
        return self._drivers.options

    def driver(self, name: str) -> RegisteredDriver:
        """The driver of that name or alias.

        Raises ConfigurationError: naming the installed ones, and broken plug-ins; or if what
        the driver needs is not installed.
        """
        found = self._drivers.find(name)
        if found is None:
            raise ConfigurationError(self._told(f"storage: {self._drivers.unknown(name)}"))
        if found.problem:
            raise ConfigurationError(f"storage.{name}: this driver {found.problem}")
        return found

    @property
    def storage_middlewares(self) -> Mapping[str, RegisteredStorageMiddleware]:
        """The storage middlewares that a configuration may name, by name, without aliases."""
        return self._storage_middlewares.by_name

    @property
    def storage_middleware_options(self) -> Mapping[str, type[MiddlewareOptions]]:
        """The options model of each storage middleware, by name and alias."""
        return self._storage_middlewares.options

    def storage_middleware(self, name: str, path: str) -> RegisteredStorageMiddleware:
        """The storage middleware of that name or alias; `path` is where the file names it.

        Raises ConfigurationError: naming the installed ones, and broken plug-ins.
        """
        found = self._storage_middlewares.find(name)
        if found is None:
            told = self._told(f"{path}: {self._storage_middlewares.unknown(name)}")
            raise ConfigurationError(told)
        return found

    def _driver_taker(self, plugin: str, distribution: str) -> hookspecs.RegisterDriver:
        def register(
            name: str,
            open_driver: OpenDriver[OptionsT],
            options: type[OptionsT],
            /,
            *,
            aliases: Sequence[str] = (),
            needs: Sequence[str] = (),
        ) -> None:
            problem = absent(needs, distribution, name)
            self._drivers.add(
                RegisteredDriver(name, open_driver, options, plugin, tuple(aliases), problem)
            )

        return register

    def _storage_middleware_taker(self, plugin: str) -> hookspecs.RegisterStorageMiddleware:
        def register(
            name: str,
            open_middleware: OpenMiddleware[MiddlewareOptionsT],
            options: type[MiddlewareOptionsT],
            /,
            *,
            aliases: Sequence[str] = (),
        ) -> None:
            self._storage_middlewares.add(
                RegisteredStorageMiddleware(name, open_middleware, options, plugin, tuple(aliases))
            )

        return register

    def _call_of(self, plugin: object, hook: str, register: object) -> None:
        """Call a hook of this plug-in alone."""
        others = [other for other in self._manager.get_plugins() if other is not plugin]
        relay = self._manager.subset_hook_caller(hook, others)
        relay(register=register)

    def _told(self, text: str) -> str:
        """What is not there, with the plug-ins that might have brought it if they worked."""
        broken = [
            f"plug-in {plugin.name!r} of {plugin.distribution or 'unknown'} does not work: "
            f"{plugin.problem}"
            for plugin in self.plugins
            if plugin.problem
        ]
        return "; ".join([text, *broken])


def load_plugins(
    disabled: Collection[str] = (), found: Iterable[EntryPoint] | None = None
) -> Plugins:
    """Find plug-ins by entry points, import and register them.

    One that fails to import is listed with the reason and keeps nobody from serving.
    `found` replaces the search, for tests.
    """
    plugins = Plugins()
    points = entry_points(group=hookspecs.PROJECT) if found is None else found
    for point in sorted(points, key=lambda point: point.name):
        _load(plugins, point, disabled)
    return plugins


def disabled_by(environ: Mapping[str, str]) -> frozenset[str]:
    """The names in ENTREPOT_DISABLE_PLUGINS."""
    return frozenset(name.strip() for name in environ.get(DISABLE, "").split(",") if name.strip())


def _load(plugins: Plugins, point: EntryPoint, disabled: Collection[str]) -> None:
    distribution = point.dist.name if point.dist else ""
    version = point.dist.version if point.dist else ""
    if point.name in disabled:
        plugins.refuse(point.name, distribution, version, f"disabled by {DISABLE}")
        return
    try:
        module: ModuleType = point.load()
    except ModuleNotFoundError as error:
        reason = told_missing(error.name or "a module", distribution, point.name)
        plugins.refuse(point.name, distribution, version, reason)
        return
    except Exception as error:  # a stranger's module: whatever it raises is its problem
        reason = f"import failed: {type(error).__name__}: {error}"
        plugins.refuse(point.name, distribution, version, reason)
        return
    plugins.add(module, point.name, distribution, version)
