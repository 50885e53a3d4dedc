"""Plug-ins: found by entry points, listed for people, their hooks behind typed methods.

Only this module touches pluggy's untyped relay. Nothing here is global: whoever needs
plug-ins loads them and passes them on.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import pluggy

from entrepot.core import hookspecs
from entrepot.core.driver import DriverOptions, OpenDriver, OptionsT
from entrepot.core.errors import ConfigurationError, PluginError

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


@dataclass(frozen=True, slots=True)
class Plugin:
    """What there is to say of an installed plug-in. `problem` is why it does not work."""

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    problem: str = ""


class Plugins:
    """The plug-ins of this process and what they registered; made by `load_plugins`."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._drivers: dict[str, RegisteredDriver] = {}
        self._plugins: dict[str, Plugin] = {}

    def add(self, plugin: object, name: str, distribution: str = "", version: str = "") -> None:
        """Take a plug-in's hooks; one that breaks a rule is listed with its problem instead."""
        before = dict(self._drivers)
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            self._register_drivers(plugin, name)
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            self._drivers = before
            self.refuse(name, distribution, version, f"{type(error).__name__}: {error}")
            return
        callers = self._manager.get_hookcallers(plugin) or []
        self._plugins[name] = Plugin(
            name,
            distribution,
            version,
            tuple(caller.name for caller in callers),
            tuple(d.name for d in self._drivers.values() if d.plugin == name),
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
        return dict(sorted(self._drivers.items()))

    @property
    def driver_options(self) -> Mapping[str, type[DriverOptions]]:
        """The options model of each driver, by name and alias."""
        return {
            name: driver.options
            for driver in self._drivers.values()
            for name in (driver.name, *driver.aliases)
        }

    def driver(self, name: str) -> RegisteredDriver:
        """The driver of that name or alias.

        Raises ConfigurationError: naming the installed ones, and broken plug-ins.
        """
        for driver in self._drivers.values():
            if name == driver.name or name in driver.aliases:
                return driver
        raise ConfigurationError(self._unknown(name))

    def _register_drivers(self, plugin: object, name: str) -> None:
        def register(
            driver: str,
            open_driver: OpenDriver[OptionsT],
            options: type[OptionsT],
            /,
            *,
            aliases: Sequence[str] = (),
        ) -> None:
            for taken in self._drivers.values():
                clash = {driver, *aliases} & {taken.name, *taken.aliases}
                if clash:
                    raise PluginError(
                        name, f"driver name {min(clash)!r} is taken by plug-in {taken.plugin!r}"
                    )
            self._drivers[driver] = RegisteredDriver(
                driver, open_driver, options, name, tuple(aliases)
            )

        others = [other for other in self._manager.get_plugins() if other is not plugin]
        relay = self._manager.subset_hook_caller("register_drivers", others)
        relay(register=register)

    def _unknown(self, name: str) -> str:
        names = list(self.drivers)
        near = difflib.get_close_matches(name, names, 1)
        told = [f"storage: no driver named {name!r} is installed"]
        if near:
            told.append(f"did you mean {near[0]!r}?")
        told.append(f"installed: {', '.join(names) or 'none'}")
        told += [
            f"plug-in {plugin.name!r} of {plugin.distribution or 'unknown'} does not work: "
            f"{plugin.problem}"
            for plugin in self.plugins
            if plugin.problem
        ]
        return "; ".join(told)


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
    except Exception as error:  # a stranger's module: whatever it raises is its problem
        reason = f"import failed: {type(error).__name__}: {error}"
        plugins.refuse(point.name, distribution, version, reason)
        return
    plugins.add(module, point.name, distribution, version)
