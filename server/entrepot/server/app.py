"""The ASGI application factory: a configuration becomes a Starlette application."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette

from entrepot.core.admitting import chosen_admissions, open_admissions
from entrepot.core.configuration import Configuration, driver_options, load
from entrepot.core.driver import Driver
from entrepot.core.errors import StorageError
from entrepot.core.layers import layers, wrapped
from entrepot.core.networks import networks_of
from entrepot.core.plugins import Plugins, disabled_by, load_plugins
from entrepot.core.read_only import Switch
from entrepot.core.registry import open_registry
from entrepot.server.application import Api
from entrepot.server.authentication.gate import Gate
from entrepot.server.authentication.opening import authenticator_of
from entrepot.server.authorization.checking import check
from entrepot.server.authorization.opening import open_authorization
from entrepot.server.call import Limits
from entrepot.server.descriptors import open_descriptors
from entrepot.server.handover import handover
from entrepot.server.health import checking
from entrepot.server.maintaining import maintaining
from entrepot.server.rules import content_rules
from entrepot.server.telemetry import Telemetry
from entrepot.server.telling import audience, listening
from entrepot.server.urls import Urls

CONFIGURATION_PATH = "REGISTRY_CONFIGURATION_PATH"
"""The environment variable that names the configuration file, as in Distribution."""


def create_app(
    configuration: Configuration | None = None, plugins: Plugins | None = None
) -> Starlette:
    """An application that serves the registry API on any ASGI server.

    Without a configuration, it is loaded as `entrepot serve` does: from the file that
    REGISTRY_CONFIGURATION_PATH names, if any, and from `REGISTRY_*` variables. The storage
    driver, and what `middleware.storage` puts around it, are opened in the application's
    lifespan. Mounted in another application, whose server runs only the outer lifespan, enter
    `app.router.lifespan_context(app)` there.

    Raises ConfigurationError: with every mistake of the configuration.
    """
    if plugins is None:
        plugins = load_plugins(disabled_by(os.environ))
    if configuration is None:
        path = os.environ.get(CONFIGURATION_PATH)
        configuration = load(path, os.environ, plugins.models).configuration
    storage = configuration.storage
    registered = plugins.driver(storage.driver)
    options = driver_options(storage, registered.options)
    around = layers(configuration, plugins)
    authenticator_of(configuration, plugins)
    check(configuration)
    admitting = chosen_admissions(configuration, plugins)
    told = audience(configuration, plugins)
    api = Api(_urls(configuration), _limits(configuration), configuration.http.headers)
    api.is_read_only = storage.maintenance.readonly.enabled
    telemetry = Telemetry(configuration, os.environ)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            within = await enter(_named(registered.open(options), storage.driver))
            driver = await enter(wrapped(within, around))
            api.handover = handover(configuration, driver)
            rules = content_rules(configuration)
            admissions = await enter(open_admissions(admitting))
            authorization = await enter(open_authorization(configuration, plugins))
            authenticator = authorization.authenticator
            api.gate = Gate(authenticator, api.urls) if authenticator else None
            api.rights, api.paths = authorization.rights, authorization.paths
            known = await enter(open_descriptors(configuration))
            api.registry = await enter(
                open_registry(driver, rules, storage.driver, telemetry.observer, admissions, known)
            )
            api.switch = Switch(api.registry.driver)
            await enter(telemetry.at_work(api))
            await enter(checking(configuration, api.registry.driver, api.health))
            api.health.opened()
            api.listeners = await enter(listening(configuration, told, api.notifications, driver))
            await enter(maintaining(configuration, api.registry, api.maintained))
            yield
            api.registry = None

    app = Starlette(lifespan=lifespan)
    app.router.default = telemetry.around(api)
    app.state.health, app.state.metrics = api.health, telemetry.metrics
    return app


@asynccontextmanager
async def _named(
    opening: AbstractAsyncContextManager[Driver], name: str
) -> AsyncGenerator[Driver, None]:
    """An open driver; why it cannot be opened is told with its name."""
    async with AsyncExitStack() as stack:
        try:
            driver = await stack.enter_async_context(opening)
        except StorageError as error:
            error.driver = name
            raise
        yield driver


def _urls(configuration: Configuration) -> Urls:
    http = configuration.http
    return Urls(http.host, http.prefix, http.relativeurls)


def _limits(configuration: Configuration) -> Limits:
    return Limits(
        idle=configuration.http.idletimeout.seconds,
        catalogue_entries=configuration.catalog.maxentries,
        tags=configuration.tags.maxtags,
        proxies=networks_of(configuration.http.trustedproxies),
    )
