"""Old spellings and keys without effect: taken, and told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrepot.core.configuration import Duration, Loaded

Load = Callable[..., Loaded]

HEAD = "version: 0.1\n"


def whole(text: str) -> str:
    return HEAD + text + ("\n" if text.startswith("storage") else "\nstorage: inmemory\n")


@pytest.mark.parametrize(
    ("text", "notes"),
    [
        ("loglevel: debug", ["loglevel: deprecated; write `log.level`"]),
        (
            "storage: {inmemory: , cache: {layerinfo: inmemory}}",
            ["storage.cache.layerinfo: deprecated; write `storage.cache.blobdescriptor`"],
        ),
        (
            "http: {secret: s3cr3t}",
            ["http.secret: not needed; uploads carry no signed state, so replicas share no secret"],
        ),
        (
            "http: {tls: {minimumtls: tls1.0}}",
            [
                "http.tls: no effect without `http.tls.certificate`; TLS is not spoken",
                "http.tls.minimumtls: no longer spoken; tls1.2 is the oldest that is",
            ],
        ),
        (
            "http: {tls: {certificate: /c, key: /k, clientauth: request-client-cert}}",
            ["http.tls.clientauth: no effect without `http.tls.clientcas`"],
        ),
        (
            (
                "http: {h2c: {enabled: true}, tls: {certificate: /c, key: /k, clientcas: [/a], "
                "clientauth: request-client-cert}}"
            ),
            [
                (
                    "http.tls.clientauth: nobody is asked; a certificate that is not verified "
                    "says nothing"
                ),
                "http.h2c.enabled: no effect with TLS, which has `http.http2`",
            ],
        ),
        (
            "storage: {inmemory: , redirect: {disable: true, networks: [10.0.0.0/8]}}",
            [
                (
                    "storage.redirect: `disable` is true, so that nobody is redirected; its "
                    "networks have no effect"
                )
            ],
        ),
        (
            "storage: {inmemory: , redirect: {networks: [10.0.0.0/8], exceptnetworks: ['::1']}}",
            [],
        ),
        (
            "http: {relativeurls: true, host: 'https://a.example.com'}",
            ["http.relativeurls: no effect beside `http.host`, which all URLs begin with"],
        ),
        (
            "proxy: {username: a}",
            [
                (
                    "proxy: no effect without `proxy.remoteurl`; "
                    "nothing is cached from another registry"
                )
            ],
        ),
        (
            "validation: {manifests: {indexes: {platformlist: [{os: linux}]}}}",
            [
                (
                    "validation.manifests.indexes.platformlist: no effect without "
                    "`validation.manifests.indexes.platforms: list`"
                )
            ],
        ),
        (
            "redis: {tls: {rootcas: [/a]}}",
            ["redis: not used; nothing else in the configuration asks for it"],
        ),
        (
            "http: {debug: {prometheus: {enabled: true}}}",
            ["http.debug.prometheus.enabled: no effect without `http.debug.addr`"],
        ),
        (
            "storage: {inmemory: , cache: {blobdescriptor: memcached}}",
            [
                (
                    "storage.cache.blobdescriptor: unknown cache, none is used; "
                    "write `inmemory` or remove the key"
                )
            ],
        ),
        (
            "redis: {addrs: ['a:1']}",
            ["redis: not used; nothing else in the configuration asks for it"],
        ),
        (
            "validation: {enabled: true}",
            [
                (
                    "validation.enabled: deprecated, no effect; "
                    "manifests are checked unless `validation.disabled` is true"
                )
            ],
        ),
        (
            "reporting: {bugsnag: {apikey: s3cr3t}}",
            ["reporting: no effect; Distribution 3 dropped it as well, use the logs instead"],
        ),
        (
            "compatibility: {schema1: {signingkeyfile: /k}}",
            [
                (
                    "compatibility.schema1: no effect; schema 1 manifests are refused, "
                    "push images again with a newer client"
                )
            ],
        ),
        (
            "http: {draintimeout: 60}",
            ["http.draintimeout: 60 counts nanoseconds; write 60s if seconds are meant"],
        ),
        (
            "health: {http: [], storagedriver: {interval: 10}}",
            [
                (
                    "health.storagedriver.interval: 10 counts nanoseconds; "
                    "write 10s if seconds are meant"
                )
            ],
        ),
        ("http: {draintimeout: 0, workers: 2}", []),
        ("log: {fields: {a: 60}}", []),
    ],
)
def test_note(loaded: Load, text: str, notes: list[str]) -> None:
    wanted = tuple(f"{note} [file config.yml line 2]" for note in notes)

    assert loaded(whole(text)).notes == wanted


def test_loglevel_is_used_where_there_is_no_level(loaded: Load) -> None:
    found = loaded(whole("loglevel: debug"))

    assert found.configuration.log.level == "debug"
    assert found.configuration.loglevel is None
    assert found.origins["log.level"] == "file config.yml line 2"


def test_loglevel_beside_a_level(loaded: Load) -> None:
    found = loaded(whole("loglevel: debug\nlog: {level: error}"))

    assert found.configuration.log.level == "error"
    assert found.notes == (
        (
            "loglevel: deprecated; write `log.level`, which is there and counts "
            "[file config.yml line 2]"
        ),
    )


def test_redis_of_distribution_2(loaded: Load) -> None:
    text = (
        "redis:\n  addr: localhost:6379\n  password: s3cr3t\n  db: 1\n  dialtimeout: 10ms\n"
        "  pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}\n"
    )

    found = loaded(whole(text))

    redis = found.configuration.redis
    assert redis.addrs == ("localhost:6379",)
    assert redis.addr == ""
    assert redis.maxidleconns == 16
    assert redis.maxactiveconns == 64
    assert redis.connmaxidletime == Duration.parse("300s")
    assert [note.split(":")[0] for note in found.notes] == [
        "redis.addr",
        "redis.pool.maxidle",
        "redis.pool.maxactive",
        "redis.pool.idletimeout",
        "redis",
    ]


def test_old_key_in_a_variable(loaded: Load) -> None:
    found = loaded(whole(""), {"REGISTRY_LOGLEVEL": "warn"})

    assert found.configuration.log.level == "warn"
    assert found.origins["log.level"] == "environment REGISTRY_LOGLEVEL"


def test_no_secret_in_any_note(loaded: Load) -> None:
    text = "http: {secret: s3cr3t}\nreporting: {newrelic: {licensekey: s3cr3t}}\n"

    assert "s3cr3t" not in "\n".join(loaded(whole(text)).notes)
