"""What is accepted and has no effect, or another one than was perhaps meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from entrepot.core.configuration.durations import Duration
from entrepot.core.configuration.mistakes import line
from entrepot.core.configuration.model import Configuration
from entrepot.core.configuration.model_base import NoEffect
from entrepot.core.configuration.options import plugged_options
from entrepot.core.configuration.plugged import PluggedModels, sections
from entrepot.core.configuration.shape import fields
from entrepot.core.configuration.tree import (
    Path,
    Scalar,
    Table,
    Tree,
    is_list,
    is_mapping,
    origin_at,
)


@dataclass(frozen=True, slots=True)
class Row:
    """A path, whether there is something to say about it, and what."""

    path: str
    applies: Callable[[Configuration], bool]
    text: str


def _uses_redis(it: Configuration) -> bool:
    return it.storage.cache.blobdescriptor == "redis"


def _speaks_tls(it: Configuration) -> bool:
    return bool(it.http.tls.certificate or it.http.tls.letsencrypt.model_fields_set)


def _lists_platforms_for_nothing(it: Configuration) -> bool:
    indexes = it.validation.manifests.indexes
    return bool(indexes.platformlist) and indexes.platforms != "list"


_TUNING = (
    "connmaxidletime",
    "connmaxlifetime",
    "contexttimeoutenabled",
    "identitysuffix",
    "maxidleconns",
    "maxredirects",
    "maxretries",
    "maxretrybackoff",
    "minidleconns",
    "minretrybackoff",
    "poolfifo",
    "pooltimeout",
    "routebylatency",
    "routerandomly",
    "unstableresp3",
)


def _tunes_redis(key: str) -> Callable[[Configuration], bool]:
    return lambda it: key in it.redis.model_fields_set and _uses_redis(it)


ROWS = (
    Row(
        "http.secret",
        lambda it: bool(it.http.secret),
        "not needed; uploads carry no signed state, so replicas share no secret",
    ),
    Row(
        "http.relativeurls",
        lambda it: it.http.relativeurls and bool(it.http.host),
        "no effect beside `http.host`, which all URLs begin with",
    ),
    Row(
        "http.tls",
        lambda it: bool(it.http.tls.model_fields_set - {"key"}) and not _speaks_tls(it),
        "no effect without `http.tls.certificate`; TLS is not spoken",
    ),
    Row(
        "http.tls.letsencrypt",
        lambda it: bool(it.http.tls.certificate and it.http.tls.letsencrypt.model_fields_set),
        "no effect beside `http.tls.certificate`, which is used",
    ),
    Row(
        "http.tls.clientauth",
        lambda it: bool(it.http.tls.clientcas) and it.http.tls.clientauth == "request-client-cert",
        "nobody is asked; a certificate that is not verified says nothing",
    ),
    Row(
        "http.tls.clientauth",
        lambda it: "clientauth" in it.http.tls.model_fields_set and not it.http.tls.clientcas,
        "no effect without `http.tls.clientcas`",
    ),
    Row(
        "http.h2c.enabled",
        lambda it: it.http.h2c.enabled and _speaks_tls(it),
        "no effect with TLS, which has `http.http2`",
    ),
    Row(
        "http.tls.minimumtls",
        lambda it: it.http.tls.minimumtls in ("tls1.0", "tls1.1"),
        "no longer spoken; tls1.2 is the oldest that is",
    ),
    Row(
        "http.debug.prometheus.enabled",
        lambda it: it.http.debug.prometheus.enabled and not it.http.debug.addr,
        "no effect without `http.debug.addr`",
    ),
    Row(
        "storage.cache.blobdescriptor",
        lambda it: it.storage.cache.blobdescriptor not in ("", "inmemory", "redis"),
        "unknown cache, none is used; write `inmemory` or remove the key",
    ),
    Row(
        "storage.cache.blobdescriptorsize",
        lambda it: (
            "blobdescriptorsize" in it.storage.cache.model_fields_set
            and not it.storage.cache.blobdescriptor
        ),
        "no effect without `storage.cache.blobdescriptor`",
    ),
    Row(
        "storage.redirect",
        lambda it: (
            it.storage.redirect.disable
            and bool(it.storage.redirect.networks or it.storage.redirect.exceptnetworks)
        ),
        "`disable` is true, so that nobody is redirected; its networks have no effect",
    ),
    Row(
        "proxy",
        lambda it: bool(it.proxy.model_fields_set) and not it.proxy.remoteurl,
        "no effect without `proxy.remoteurl`; nothing is cached from another registry",
    ),
    Row(
        "redis",
        lambda it: bool(it.redis.model_fields_set) and not _uses_redis(it),
        "not used; nothing else in the configuration asks for it",
    ),
    Row(
        "log.hooks",
        lambda it: any(not hook.is_mail and not hook.disabled for hook in it.log.hooks),
        "of an unknown type, left out; `mail` is the only one",
    ),
    Row(
        "log.hooks",
        lambda it: any(
            hook.is_mail and not (hook.disabled or hook.levels) for hook in it.log.hooks
        ),
        "without `levels` nothing is mailed; write those wanted, like [error]",
    ),
    *[
        Row(
            f"redis.{key}",
            _tunes_redis(key),
            "no effect; it tunes Distribution's client library, remove the key",
        )
        for key in _TUNING
    ],
    Row(
        "validation.enabled",
        lambda it: it.validation.enabled is not None,
        "deprecated, no effect; manifests are checked unless `validation.disabled` is true",
    ),
    Row(
        "validation.manifests.indexes.platformlist",
        _lists_platforms_for_nothing,
        "no effect without `validation.manifests.indexes.platforms: list`",
    ),
    Row(
        "reporting",
        lambda it: "reporting" in it.model_fields_set,
        "no effect; Distribution 3 dropped it as well, use the logs instead",
    ),
    Row(
        "compatibility.schema1",
        lambda it: "compatibility" in it.model_fields_set,
        "no effect; schema 1 manifests are refused, push images again with a newer client",
    ),
)


def noted(configuration: Configuration, tree: Table, models: PluggedModels) -> Iterator[str]:
    """A note for each row that applies, each key of a plug-in that it does not use, and each
    duration that is likely none.
    """
    for row in ROWS:
        if row.applies(configuration):
            path: Path = tuple(row.path.split("."))
            yield line(path, row.text, origin_at(tree, path))
    for path, reason in _unused(configuration, models):
        yield line(path, f"no effect; {reason}, remove the key", origin_at(tree, path))
    for path, scalar in _scalars(tree, ()):
        if scalar.strip("0").isdecimal() and isinstance(_at(configuration, path), Duration):
            text = f"{scalar} counts nanoseconds; write {scalar}s if seconds are meant"
            yield line(path, text, scalar.origin)


def _unused(configuration: Configuration, models: PluggedModels) -> Iterator[tuple[Path, str]]:
    """Keys of plug-ins that have no effect and are not what they are by default."""
    for path, written, model in sections(configuration, models):
        marked = [
            (key, mark.reason)
            for key, field in (fields(model) if model else {}).items()
            for mark in field.metadata
            if isinstance(mark, NoEffect) and key in written
        ]
        if model is None or not marked:
            continue
        options = plugged_options(written, model, path)
        for key, reason in marked:
            if getattr(options, key) != model.model_fields[key].default:
                yield (*path, key), reason


def _scalars(tree: Tree, path: Path) -> Iterator[tuple[Path, Scalar]]:
    if isinstance(tree, Scalar):
        yield path, tree
        return
    for key, below in tree.items() if isinstance(tree, Table) else enumerate(tree):
        yield from _scalars(below, (*path, key))


def _at(configuration: Configuration, path: Path) -> object:
    at: object = configuration
    for key in path:
        if is_mapping(at):
            at = at.get(str(key))
        elif is_list(at) and isinstance(key, int):
            at = at[key]
        else:
            at = getattr(at, str(key), None)
    return at
