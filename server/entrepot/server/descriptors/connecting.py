"""A client of Redis as the `redis` section says: one server, a cluster, or behind sentinels."""

from __future__ import annotations

import ssl
from typing import Any, TypeAlias

from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from entrepot.core.configuration import Address
from entrepot.core.configuration.model_services import Redis as Section
from entrepot.core.configuration.model_services import RedisTls
from entrepot.core.errors import ConfigurationError

Client: TypeAlias = "Redis | RedisCluster"

_SECONDS = 1.0  # that connecting, and an answer, may take; no request waits that long for it
_CONNECTIONS = 32  # to each server


def connected(section: Section) -> Client:
    """A client; it connects when it is first used.

    Raises ConfigurationError: if there is no address, or a certificate cannot be read.
    """
    addresses = [Address.parse(text) for text in section.addrs]
    if not addresses:
        raise ConfigurationError("redis.addrs: at least one address is needed, like [redis:6379]")
    hosts = [(address.host or "localhost", address.port) for address in addresses]
    options = _options(section)
    if section.mastername:
        watching: Any = Sentinel  # has no types of its own
        sentinels = watching(hosts, sentinel_kwargs=_sentinel_options(section), **options)
        master: Redis = sentinels.master_for(section.mastername, db=section.db)
        return master
    if len(hosts) > 1:
        nodes = [ClusterNode(host, port) for host, port in hosts]
        return RedisCluster(
            startup_nodes=nodes,
            cluster_error_retry_attempts=1,
            read_from_replicas=section.readonly,
            **options,
        )
    host, port = hosts[0]
    return Redis(host=host, port=port, db=section.db, **options)


def _options(section: Section) -> dict[str, Any]:
    return _common(section) | {
        "username": section.username or None,
        "password": section.password or None,
        "client_name": section.clientname or None,
        "max_connections": section.maxactiveconns or section.poolsize or _CONNECTIONS,
    }


def _sentinel_options(section: Section) -> dict[str, Any]:
    return _common(section) | {
        "username": section.sentinelusername or None,
        "password": section.sentinelpassword or None,
    }


def _common(section: Section) -> dict[str, Any]:
    answers = [each.seconds for each in (section.readtimeout, section.writetimeout) if each]
    identity = {"lib_name": None, "lib_version": None} if section.disableidentity else {}
    return {
        "socket_timeout": max(answers, default=0) or _SECONDS,
        "socket_connect_timeout": section.dialtimeout.seconds if section.dialtimeout else _SECONDS,
        "retry": Retry(NoBackoff(), 0),  # a request goes on without Redis instead
        "protocol": 2 if section.protocol == 2 else 3,
        **identity,
        **_tls(section.tls),
    }


def _tls(tls: RedisTls) -> dict[str, Any]:
    if not (tls.enabled or tls.certificate or tls.rootcas):
        return {}
    _check(tls)
    trusted = "\n".join(_read(path, "rootcas") for path in tls.rootcas)
    return {
        "ssl": True,
        "ssl_certfile": tls.certificate or None,
        "ssl_keyfile": tls.key or None,
        "ssl_ca_data": trusted or None,
        "ssl_check_hostname": True,
    }


def _check(tls: RedisTls) -> None:
    """Raises ConfigurationError: at start, and not when the first request needs Redis."""
    if not tls.certificate:
        return
    try:
        ssl.create_default_context().load_cert_chain(tls.certificate, tls.key or None)
    except OSError as error:
        raise ConfigurationError(f"redis.tls.certificate: {error}") from error


def _read(path: str, key: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            text = file.read()
        ssl.create_default_context(cadata=text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"redis.tls.{key}: {path}: {error}") from error
    return text
