"""The keys of `notifications`, `redis`, `health`, `proxy`, `auth` and `access`."""

from __future__ import annotations

from tests.core.configuration.keys import Key

_EVENTS = "NOTIFICATIONS_EVENTCONFIG"
_ENDPOINT = "notifications.endpoints.0"
_POST = {f"{_ENDPOINT}.name": "a", f"{_ENDPOINT}.url": "'http://a/'"}
_CACHED = {"storage.cache.blobdescriptor": "redis"}
_ONE = {**_CACHED, "redis.addrs": "['a:6379']"}
_USED = {"mastername", "maxactiveconns"}
_TUNES = "no effect; it tunes Distribution's client library, remove the key"
_FILE = {"health.file.0.file": "/f"}
_WEB = {"health.http.0.uri": "'http://a/'"}
_TCP = {"health.tcp.0.addr": "'a:1'"}
_REMOTE = {"proxy.remoteurl": "'https://registry-1.docker.io'"}
_TOKEN = {
    "auth.token.realm": "https://auth.example.com/token",
    "auth.token.service": "s",
    "auth.token.issuer": "i",
    "auth.token.rootcertbundle": "/b.pem",
}
_HTPASSWD = {"auth.htpasswd.realm": "r", "auth.htpasswd.path": "/p"}
_SILLY = {"auth.silly.realm": "r", "auth.silly.service": "s"}
_RULE = {
    "access.rules.0.anonymous": "true",
    "access.rules.0.repositories": "['**']",
    "access.rules.0.actions": "[pull]",
}
_INDEX0 = "access.rules.0"


def _endpoint(key: str, known: str, example: str) -> Key:
    return Key(f"{_ENDPOINT}.{key}", known, example, beside=_POST)


def _redis(key: str, known: str, example: str) -> Key:
    tunes = key.startswith(("max", "min", "route")) and key not in _USED
    tunes |= key in {
        "connmaxidletime",
        "connmaxlifetime",
        "contexttimeoutenabled",
        "identitysuffix",
        "poolfifo",
        "pooltimeout",
        "unstableresp3",
    }
    return Key(
        f"redis.{key}",
        known,
        example,
        variable=f"REDIS_OPTIONS_{key.upper().replace('.', '_')}" if "3" in known else "",
        noted=_TUNES if tunes else "",
        beside=_ONE,
    )


NOTIFICATIONS = (
    Key(
        "notifications.events.includereferences",
        "2 3",
        "true",
        variable=f"{_EVENTS}_INCLUDEREFERENCES",
    ),
    Key(f"{_ENDPOINT}.name", "2 3", "b", beside={f"{_ENDPOINT}.url": "'http://a/'"}),
    _endpoint("disabled", "2 3", "true"),
    Key(f"{_ENDPOINT}.url", "2 3", "'http://a/b'", beside={f"{_ENDPOINT}.name": "a"}),
    _endpoint("headers", "2 3", "{Authorization: [Bearer t]}"),
    _endpoint("timeout", "2 3", "2s"),
    _endpoint("threshold", "2 3", "5"),
    _endpoint("backoff", "2 3", "2s"),
    _endpoint("ignoredmediatypes", "2 3", "[application/octet-stream]"),
    _endpoint("ignore.mediatypes", "2 3", "[application/octet-stream]"),
    _endpoint("ignore.actions", "2 3", "[pull]"),
    _endpoint("format", "ours", "cloudevents"),
    _endpoint("batch", "ours", "50"),
    _endpoint("maxattempts", "ours", "3"),
    _endpoint("maxage", "ours", "1h0m0s"),
    Key("notifications.outbox.disabled", "ours", "true"),
    Key("notifications.outbox.path", "ours", "/outbox"),
    Key("notifications.outbox.maxevents", "ours", "10"),
    Key("notifications.outbox.maxbytes", "ours", "2097152"),
    Key("notifications.observers.0.name", "ours", "mine"),
    Key("notifications.observers.0.disabled", "ours", "true"),
    Key("notifications.observers.0.options", "ours", "{a: b}"),
)

REDIS = (
    Key("redis.addrs", "3", "['a:1', 'b:2']", variable="REDIS_OPTIONS_ADDRS", beside=_CACHED),
    Key(
        "redis.addr",
        "2",
        "'a:1'",
        arrives=["a:1"],
        moved="redis.addrs",
        noted="deprecated; write `redis.addrs`",
        beside=_CACHED,
    ),
    _redis("username", "3", "u"),
    _redis("password", "2 3", "p"),
    _redis("db", "2 3", "1"),
    _redis("protocol", "3", "2"),
    _redis("clientname", "3", "registry"),
    _redis("mastername", "3", "m"),
    _redis("sentinelusername", "3", "s"),
    _redis("sentinelpassword", "3", "p"),
    _redis("maxretries", "3", "5"),
    _redis("minretrybackoff", "3", "10ms"),
    _redis("maxretrybackoff", "3", "1s"),
    _redis("dialtimeout", "2 3", "10ms"),
    _redis("readtimeout", "2 3", "10ms"),
    _redis("writetimeout", "2 3", "10ms"),
    _redis("contexttimeoutenabled", "3", "true"),
    _redis("poolfifo", "3", "true"),
    _redis("poolsize", "3", "64"),
    _redis("pooltimeout", "3", "4s"),
    _redis("minidleconns", "3", "1"),
    _redis("maxidleconns", "3", "16"),
    _redis("maxactiveconns", "3", "64"),
    _redis("connmaxidletime", "3", "5m0s"),
    _redis("connmaxlifetime", "3", "1h0m0s"),
    _redis("maxredirects", "3", "3"),
    _redis("readonly", "3", "true"),
    _redis("routebylatency", "3", "true"),
    _redis("routerandomly", "3", "true"),
    _redis("disableidentity", "3", "true"),
    _redis("identitysuffix", "3", "x"),
    _redis("unstableresp3", "3", "true"),
    Key("redis.tls.enabled", "ours", "true", beside=_ONE),
    Key("redis.tls.certificate", "3", "/c", beside={**_ONE, "redis.tls.key": "/k"}),
    Key("redis.tls.key", "3", "/k", beside={**_ONE, "redis.tls.certificate": "/c"}),
    Key("redis.tls.rootcas", "3", "[/a.pem]", beside=_ONE),
    Key(
        "redis.pool.maxidle",
        "2",
        "16",
        moved="redis.maxidleconns",
        noted="deprecated; write `redis.maxidleconns`",
        noted_as_moved=_TUNES,
        beside=_ONE,
    ),
    Key(
        "redis.pool.maxactive",
        "2",
        "64",
        moved="redis.maxactiveconns",
        noted="deprecated; write `redis.maxactiveconns`",
        beside=_ONE,
    ),
    Key(
        "redis.pool.idletimeout",
        "2",
        "5m0s",
        moved="redis.connmaxidletime",
        noted="deprecated; write `redis.connmaxidletime`",
        noted_as_moved=_TUNES,
        beside=_ONE,
    ),
)

HEALTH = (
    Key("health.storagedriver.enabled", "2 3", "true"),
    Key("health.storagedriver.interval", "2 3", "20s"),
    Key("health.storagedriver.threshold", "2 3", "3"),
    Key("health.storagedriver.timeout", "ours", "20s"),
    Key("health.file.0.file", "2 3", "/f", variable="HEALTH_FILECHECKERS_0_FILE"),
    Key(
        "health.file.0.interval",
        "2 3",
        "20s",
        variable="HEALTH_FILECHECKERS_0_INTERVAL",
        beside=_FILE,
    ),
    Key(
        "health.file.0.threshold",
        "2 3",
        "3",
        variable="HEALTH_FILECHECKERS_0_THRESHOLD",
        beside=_FILE,
    ),
    *(
        Key(
            f"health.http.0.{key}",
            "2 3",
            example,
            variable=f"HEALTH_HTTPCHECKERS_0_{key.upper()}",
            beside={} if key == "uri" else _WEB,
        )
        for key, example in (
            ("uri", "'http://a/'"),
            ("headers", "{Authorization: [Basic a]}"),
            ("timeout", "20s"),
            ("interval", "20s"),
            ("statuscode", "204"),
            ("threshold", "3"),
        )
    ),
    *(
        Key(
            f"health.tcp.0.{key}",
            "2 3",
            example,
            variable=f"HEALTH_TCPCHECKERS_0_{key.upper()}",
            beside={} if key == "addr" else _TCP,
        )
        for key, example in (
            ("addr", "'a:6379'"),
            ("timeout", "20s"),
            ("interval", "20s"),
            ("threshold", "3"),
        )
    ),
)

PROXY = (
    Key("proxy.remoteurl", "2 3", "'https://registry-1.docker.io'"),
    Key("proxy.username", "2 3", "u", beside={**_REMOTE, "proxy.password": "p"}),
    Key("proxy.password", "2 3", "p", beside={**_REMOTE, "proxy.username": "u"}),
    Key("proxy.exec.command", "3", "/bin/helper", beside=_REMOTE),
    Key("proxy.exec.lifetime", "3", "1h0m0s", beside={**_REMOTE, "proxy.exec.command": "/bin/h"}),
    Key("proxy.ttl", "3", "24h0m0s", beside=_REMOTE),
    Key("proxy.cachewritetimeout", "3", "1m0s", beside=_REMOTE),
)

AUTH = (
    Key("auth.none", "2 3", "{}"),
    Key("auth.silly.realm", "2 3", "r2", beside=_SILLY),
    Key("auth.silly.service", "2 3", "s2", beside=_SILLY),
    Key("auth.htpasswd.realm", "2 3", "r2", beside=_HTPASSWD),
    Key("auth.htpasswd.path", "2 3", "/etc/htpasswd", beside=_HTPASSWD),
    Key("auth.token.realm", "2 3", "https://a.example.com/", beside=_TOKEN),
    Key("auth.token.service", "2 3", "s2", beside=_TOKEN),
    Key("auth.token.issuer", "2 3", "i2", beside=_TOKEN),
    Key("auth.token.rootcertbundle", "2 3", "/c.pem", beside=_TOKEN),
    Key("auth.token.jwks", "3", "/jwks.json", beside=_TOKEN),
    Key("auth.token.autoredirect", "2 3", "true", beside=_TOKEN),
    Key("auth.token.autoredirectpath", "3", "/token", beside=_TOKEN),
    Key("auth.token.signingalgorithms", "3", "[EdDSA, ES256]", beside=_TOKEN),
)

ACCESS = (
    Key("access.groups", "ours", "{a: [b]}", beside=_RULE),
    Key(f"{_INDEX0}.users", "ours", "[a]", beside=_RULE),
    Key(f"{_INDEX0}.groups", "ours", "[a]", beside={**_RULE, "access.groups": "{a: [b]}"}),
    Key(f"{_INDEX0}.authenticated", "ours", "true", beside=_RULE),
    Key(
        f"{_INDEX0}.anonymous",
        "ours",
        "true",
        beside={**_RULE, "access.rules.0.anonymous": "false", f"{_INDEX0}.users": "[a]"},
    ),
    Key(f"{_INDEX0}.repositories", "ours", "['a/*']", beside=_RULE),
    Key(f"{_INDEX0}.actions", "ours", "[push]", beside=_RULE),
    Key("access.file", "ours", "rules.yml"),
)
