"""The hooks a plug-in may implement: few, typed, called at start only.

Arguments may be added in a minor version, never renamed or removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import pluggy

from entrepot.core.access import AuthenticatorOptionsT, OpenAuthenticator
from entrepot.core.admission import AdmissionOptionsT, OpenAdmission
from entrepot.core.driver import OpenDriver, OptionsT
from entrepot.core.events import ObserverOptionsT, OpenObserver
from entrepot.core.wrapping import MiddlewareOptionsT, OpenMiddleware

PROJECT = "entrepot"
"""pluggy's project name, and the entry-point group in which plug-ins are found."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

Needs = Sequence[str] | Mapping[str, str]
"""Modules; a mapping says of each what brings it, where no extra of the package does."""


class RegisterDriver(Protocol):
    """Offers a driver under the name that a configuration's `storage` section uses.

    `options` is the model of that section. `aliases` are further names for the same driver.
    `needs` are modules that it imports when it is opened; where one is missing, people are
    told what to install, or what a mapping says of the module. `label` is a word that whoever
    chooses the driver should know, such as `experimental`; the list of drivers shows it.

    Raises PluginError: if a name is taken.
    """

    def __call__(
        self,
        name: str,
        open_driver: OpenDriver[OptionsT],
        options: type[OptionsT],
        /,
        *,
        aliases: Sequence[str] = (),
        needs: Needs = (),
        label: str = "",
    ) -> None: ...


class RegisterStorageMiddleware(Protocol):
    """Offers a storage middleware under the name that `middleware.storage` uses.

    `options` is the model of its `options`. `aliases` and `needs` are as of `RegisterDriver`.

    Raises PluginError: if a name is taken by another storage middleware.
    """

    def __call__(
        self,
        name: str,
        open_middleware: OpenMiddleware[MiddlewareOptionsT],
        options: type[MiddlewareOptionsT],
        /,
        *,
        aliases: Sequence[str] = (),
        needs: Needs = (),
    ) -> None: ...


class RegisterAuthenticator(Protocol):
    """Offers a way of authentication under the name that a configuration's `auth` uses.

    `options` is the model of that section. `aliases` and `needs` are as of `RegisterDriver`.

    Raises PluginError: if a name is taken by another authenticator.
    """

    def __call__(
        self,
        name: str,
        open_authenticator: OpenAuthenticator[AuthenticatorOptionsT],
        options: type[AuthenticatorOptionsT],
        /,
        *,
        aliases: Sequence[str] = (),
        needs: Needs = (),
    ) -> None: ...


class RegisterObserver(Protocol):
    """Offers an observer of events under the name that `notifications.observers` uses.

    `options` is the model of its `options`. `aliases` and `needs` are as of `RegisterDriver`.

    Raises PluginError: if a name is taken by another observer.
    """

    def __call__(
        self,
        name: str,
        open_observer: OpenObserver[ObserverOptionsT],
        options: type[ObserverOptionsT],
        /,
        *,
        aliases: Sequence[str] = (),
        needs: Needs = (),
    ) -> None: ...


class RegisterAdmission(Protocol):
    """Offers an admission of manifests under the name that `policy.admission` uses.

    `options` is the model of its `options`. `aliases` and `needs` are as of `RegisterDriver`.

    Raises PluginError: if a name is taken by another admission.
    """

    def __call__(
        self,
        name: str,
        open_admission: OpenAdmission[AdmissionOptionsT],
        options: type[AdmissionOptionsT],
        /,
        *,
        aliases: Sequence[str] = (),
        needs: Needs = (),
    ) -> None: ...


@hookspec
def register_drivers(register: RegisterDriver) -> None:
    """Offer drivers: `register("ftp", open_ftp, FtpOptions)`, once for each."""


@hookspec
def register_storage_middlewares(register: RegisterStorageMiddleware) -> None:
    """Offer what stands around a driver: `register("redirect", open_redirect, Redirect)`."""


@hookspec
def register_authenticators(register: RegisterAuthenticator) -> None:
    """Offer ways of authentication: `register("ldap", open_ldap, LdapOptions)`."""


@hookspec
def register_observers(register: RegisterObserver) -> None:
    """Offer observers of events: `register("kafka", open_kafka, KafkaOptions)`."""


@hookspec
def register_admissions(register: RegisterAdmission) -> None:
    """Offer admissions of manifests: `register("signed", open_signed, SignedOptions)`."""
