"""Plug-ins: found by entry points, listed for people, their hooks behind typed methods.

Only this module touches pluggy's untyped relay. Nothing here is global: whoever needs
plug-ins loads them and passes them on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, TypeAlias

import pluggy

from entrepot.core import hookspecs
from entrepot.core.access import AuthenticatorOptions, OpenAuthenticator
from entrepot.core.admission import AdmissionOptions, OpenAdmission
from entrepot.core.configuration import PluggedModels
from entrepot.core.driver import DriverOptions, OpenDriver
from entrepot.core.errors import ConfigurationError
from entrepot.core.events import ObserverOptions, OpenObserver
from entrepot.core.offers import ModelT, Offered, Offers, OpenT
from entrepot.core.requirements import absent, told_missing
from entrepot.core.wrapping import MiddlewareOptions, OpenMiddleware

DISABLE = "ENTREPOT_DISABLE_PLUGINS"
"""The environment variable that names plug-ins not to be loaded, separated by commas."""


OfferedDriver: TypeAlias = Offered[OpenDriver[Any], DriverOptions]
OfferedStorageMiddleware: TypeAlias = Offered[OpenMiddleware[Any], MiddlewareOptions]
OfferedAuthenticator: TypeAlias = Offered[OpenAuthenticator[Any], AuthenticatorOptions]
OfferedObserver: TypeAlias = Offered[OpenObserver[Any], ObserverOptions]
OfferedAdmission: TypeAlias = Offered[OpenAdmission[Any], AdmissionOptions]


@dataclass(frozen=True, slots=True)
class Plugin:
    """What there is to say of an installed plug-in. `problem` is why it does not work.

    `unmet` is what has to be installed for some of what it offers.
    """

    name: str
    distribution: str
    version: str
    hooks: tuple[str, ...] = ()
    drivers: tuple[str, ...] = ()
    problem: str = ""
    storage_middlewares: tuple[str, ...] = ()
    authenticators: tuple[str, ...] = ()
    observers: tuple[str, ...] = ()
    admissions: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()


class Plugins:
    """The plug-ins of this process and what they offer; made by `load_plugins`."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._drivers: Offers[OpenDriver[Any], DriverOptions] = Offers("driver")
        self._storage_middlewares: Offers[OpenMiddleware[Any], MiddlewareOptions] = Offers(
            "storage middleware"
        )
        self._authenticators: Offers[OpenAuthenticator[Any], AuthenticatorOptions] = Offers(
            "authenticator"
        )
        self._observers: Offers[OpenObserver[Any], ObserverOptions] = Offers("observer")
        self._admissions: Offers[OpenAdmission[Any], AdmissionOptions] = Offers("admission")
        self._by_hook: dict[str, Offers[Any, Any]] = {
            "register_drivers": self._drivers,
            "register_storage_middlewares": self._storage_middlewares,
            "register_authenticators": self._authenticators,
            "register_observers": self._observers,
            "register_admissions": self._admissions,
        }
        self._plugins: dict[str, Plugin] = {}

    def add(self, plugin: object, name: str, distribution: str = "", version: str = "") -> None:
        """Take a plug-in's hooks; one that breaks a rule is listed with its problem instead."""
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            for hook, offers in self._by_hook.items():
                self._call_of(plugin, hook, _taker(offers, name, distribution))
        except Exception as error:  # a stranger's code: whatever it raises is its problem
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            for offers in self._by_hook.values():
                offers.withdraw(name)
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
            authenticators=self._authenticators.of(name),
            observers=self._observers.of(name),
            admissions=self._admissions.of(name),
            unmet=tuple(each for offers in self._by_hook.values() for each in offers.unmet(name)),
        )

    def refuse(self, name: str, distribution: str, version: str, problem: str) -> None:
        """List a plug-in that cannot be used."""
        self._plugins[name] = Plugin(name, distribution, version, problem=problem)

    @property
    def plugins(self) -> Sequence[Plugin]:
        """All that are installed, by name; those with a problem too."""
        return [self._plugins[name] for name in sorted(self._plugins)]

    @property
    def models(self) -> PluggedModels:
        """The options models of all that is offered."""
        return PluggedModels(
            self._drivers.options,
            self._storage_middlewares.options,
            self._authenticators.options,
            self._observers.options,
            self._admissions.options,
        )

    @property
    def drivers(self) -> Mapping[str, OfferedDriver]:
        """The drivers that a configuration may name, by name, without aliases."""
        return self._drivers.by_name

    def driver(self, name: str, path: str = "storage") -> OfferedDriver:
        """The driver of that name or alias, which the section at `path` names.

        Raises ConfigurationError: naming the installed ones, and broken plug-ins; or if what
        the driver needs is not installed. So do the methods below; `path` is where the file
        names what they look for.
        """
        return self._find(self._drivers, name, path, f"{path}.{name}")

    @property
    def storage_middlewares(self) -> Mapping[str, OfferedStorageMiddleware]:
        """The storage middlewares that a configuration may name, by name, without aliases."""
        return self._storage_middlewares.by_name

    def storage_middleware(self, name: str, path: str) -> OfferedStorageMiddleware:
        """See `driver`."""
        return self._find(self._storage_middlewares, name, path, path)

    def authenticator(self, name: str) -> OfferedAuthenticator:
        """See `driver`."""
        return self._find(self._authenticators, name, "auth", f"auth.{name}")

    def observer(self, name: str, path: str) -> OfferedObserver:
        """See `driver`."""
        return self._find(self._observers, name, path, path)

    def admission(self, name: str, path: str) -> OfferedAdmission:
        """See `driver`."""
        return self._find(self._admissions, name, path, path)

    def _find(
        self, offers: Offers[OpenT, ModelT], name: str, path: str, own: str
    ) -> Offered[OpenT, ModelT]:
        found = offers.find(name)
        if found is None:
            raise ConfigurationError(self._told(f"{path}: {offers.unknown(name)}"))
        if found.problem:
            raise ConfigurationError(f"{own}: this {offers.kind} {found.problem}")
        return found

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


def _taker(offers: Offers[Any, Any], plugin: str, distribution: str) -> Callable[..., None]:
    """What a hook is called with; the hook specifications say its type for each of them."""

    def register(
        name: str,
        opening: Any,
        options: type[Any],
        /,
        *,
        aliases: Sequence[str] = (),
        needs: hookspecs.Needs = (),
        label: str = "",
    ) -> None:
        problem = absent(needs, distribution, name)
        offers.add(Offered(name, opening, options, plugin, tuple(aliases), problem, label))

    return register


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
