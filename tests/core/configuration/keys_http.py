"""The keys of `version`, `log`, `http` and `validation` to `compatibility`, in all versions."""

from __future__ import annotations

from tests.core.configuration.keys import Key

_TLS = {"http.tls.certificate": "/c.pem", "http.tls.key": "/k.pem"}
_HOOK = {"log.hooks.0.type": "mail", "log.hooks.0.disabled": "true"}
_SMTP = "log.hooks.0.options.smtp"
_GO_SMTP = "LOG_HOOKS_0_MAILOPTIONS_SMTP"
_PROXIED = {"http.trustedproxies": "[127.0.0.1]"}
_ACME = "http.tls.letsencrypt"
_TAGS = {"policy.tags.0.repositories": "['**']", "policy.tags.0.immutable": "[a]"}
_DROPPED = "no effect; Distribution 3 dropped it as well, use the logs instead"
_SCHEMA1 = "no effect; schema 1 manifests are refused, push images again with a newer client"
_INDEXES = "validation.manifests.indexes"

LOG = (
    Key("version", "2 3", "'0.1'"),
    Key(
        "loglevel",
        "2 3",
        "debug",
        moved="log.level",
        noted="deprecated; write `log.level`",
    ),
    Key("log.level", "2 3", "warn"),
    Key("log.formatter", "2 3", "logstash"),
    Key("log.fields", "2 3", "{service: registry, n: 1}"),
    Key("log.reportcaller", "3", "true"),
    Key("log.accesslog.disabled", "2 3", "true"),
    Key("log.accesslog.formatter", "ours", "json"),
    Key("log.hooks.0.type", "2 3", "mail", beside={"log.hooks.0.disabled": "true"}),
    Key("log.hooks.0.disabled", "2 3", "true", beside={"log.hooks.0.type": "mail"}),
    Key("log.hooks.0.levels", "2 3", "[panic, error]", beside=_HOOK),
    Key(f"{_SMTP}.addr", "2 3", "'mail:25'", variable=f"{_GO_SMTP}_ADDR", beside=_HOOK),
    Key(f"{_SMTP}.username", "2 3", "u", variable=f"{_GO_SMTP}_USERNAME", beside=_HOOK),
    Key(f"{_SMTP}.password", "2 3", "p", variable=f"{_GO_SMTP}_PASSWORD", beside=_HOOK),
    Key(f"{_SMTP}.insecure", "2 3", "true", variable=f"{_GO_SMTP}_INSECURE", beside=_HOOK),
    Key(
        "log.hooks.0.options.from",
        "2 3",
        "a@b",
        variable="LOG_HOOKS_0_MAILOPTIONS_FROM",
        beside=_HOOK,
    ),
    Key(
        "log.hooks.0.options.to",
        "2 3",
        "[c@d]",
        variable="LOG_HOOKS_0_MAILOPTIONS_TO",
        beside=_HOOK,
    ),
)

HTTP = (
    Key("http.addr", "2 3", "'localhost:5001'"),
    Key("http.net", "2 3", "unix", beside={"http.addr": "/run/registry.sock"}),
    Key("http.prefix", "2 3", "/my/registry/"),
    Key("http.host", "2 3", "https://registry.example.com:5000"),
    Key(
        "http.secret",
        "2 3",
        "asecret",
        noted="not needed; uploads carry no signed state, so replicas share no secret",
    ),
    Key("http.relativeurls", "2 3", "true"),
    Key("http.draintimeout", "2 3", "1m0s"),
    Key("http.idletimeout", "ours", "1m0s"),
    Key("http.workers", "ours", "2"),
    Key("http.trustedproxies", "ours", "[10.0.0.0/8]"),
    Key("http.sendfile.header", "ours", "X-Sendfile", beside=_PROXIED),
    Key(
        "http.sendfile.prefix",
        "ours",
        "/blobs/",
        beside={**_PROXIED, "http.sendfile.header": "X-Accel-Redirect"},
    ),
    Key("http.sendfile.minsize", "ours", "1MiB", arrives=1024 * 1024),
    Key("http.tls.certificate", "2 3", "/c.pem", beside={"http.tls.key": "/k.pem"}),
    Key("http.tls.key", "2 3", "/k.pem", beside={"http.tls.certificate": "/c.pem"}),
    Key("http.tls.clientcas", "2 3", "[/a.pem, /b.pem]", beside=_TLS),
    Key(
        "http.tls.clientauth",
        "3",
        "verify-client-cert-if-given",
        beside={**_TLS, "http.tls.clientcas": "[/a.pem]"},
    ),
    Key("http.tls.minimumtls", "2 3", "tls1.3", beside=_TLS),
    Key(
        "http.tls.minimumtls",
        "2",
        "tls1.0",
        noted="no longer spoken; tls1.2 is the oldest that is",
        beside=_TLS,
    ),
    Key("http.tls.ciphersuites", "2 3", "[TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]", beside=_TLS),
    Key(f"{_ACME}.cachefile", "2 3", "/cache", beside={f"{_ACME}.hosts": "[a.example.com]"}),
    Key(f"{_ACME}.email", "2 3", "a@example.com", beside={f"{_ACME}.hosts": "[a.example.com]"}),
    Key(f"{_ACME}.hosts", "2 3", "[a.example.com]"),
    Key(
        f"{_ACME}.directoryurl",
        "3",
        "https://acme.example.com/directory",
        beside={f"{_ACME}.hosts": "[a.example.com]"},
    ),
    Key(f"{_ACME}.httpaddr", "ours", "':8080'", beside={f"{_ACME}.hosts": "[a.example.com]"}),
    Key("http.headers", "2 3", "{X-Content-Type-Options: [nosniff]}"),
    Key("http.debug.addr", "2 3", "'localhost:5001'"),
    Key("http.debug.prometheus.enabled", "2 3", "true", beside={"http.debug.addr": "':5001'"}),
    Key("http.debug.prometheus.path", "2 3", "/figures", beside={"http.debug.addr": "':5001'"}),
    Key("http.http2.disabled", "2 3", "true"),
    Key("http.h2c.enabled", "3", "true"),
)

CONTENT = (
    Key(
        "validation.enabled",
        "2 3",
        "true",
        noted="deprecated, no effect; manifests are checked unless `validation.disabled` is true",
    ),
    Key("validation.disabled", "2 3", "true"),
    Key("validation.manifests.urls.allow", "2 3", "['^https://example']"),
    Key("validation.manifests.urls.deny", "2 3", "['^https://www']"),
    Key(f"{_INDEXES}.platforms", "3", "none"),
    Key(
        f"{_INDEXES}.platformlist.0.architecture",
        "3",
        "arm64",
        beside={f"{_INDEXES}.platforms": "list"},
    ),
    Key(f"{_INDEXES}.platformlist.0.os", "3", "linux", beside={f"{_INDEXES}.platforms": "list"}),
    Key("policy.repository.classes", "2 3", "[image]"),
    Key("policy.admission.0.name", "ours", "mine"),
    Key("policy.admission.0.disabled", "ours", "true"),
    Key("policy.admission.0.options", "ours", "{a: b}"),
    Key("policy.tags.0.repositories", "ours", "[a/**]", beside=_TAGS),
    Key("policy.tags.0.immutable", "ours", "['v*']", beside=_TAGS),
    Key("policy.tags.0.deletable", "ours", "true", beside=_TAGS),
    Key("policy.tags.0.match", "ours", "['pr-*']", beside={**_TAGS, "policy.tags.0.keep": "1"}),
    Key("policy.tags.0.never", "ours", "[latest]", beside=_TAGS),
    Key("policy.tags.0.keep", "ours", "10", beside=_TAGS),
    Key("policy.tags.0.expire", "ours", "720h0m0s", beside=_TAGS),
    Key("policy.tags.0.pulls", "ours", "true", beside={**_TAGS, "policy.tags.0.keep": "1"}),
    Key("catalog.maxentries", "2 3", "10"),
    Key("tags.maxtags", "3", "10"),
    Key("reporting.bugsnag.apikey", "2", "k", noted=_DROPPED, noted_at="reporting"),
    Key("reporting.bugsnag.releasestage", "2", "k", noted=_DROPPED, noted_at="reporting"),
    Key("reporting.bugsnag.endpoint", "2", "k", noted=_DROPPED, noted_at="reporting"),
    Key("reporting.newrelic.licensekey", "2", "k", noted=_DROPPED, noted_at="reporting"),
    Key("reporting.newrelic.name", "2", "k", noted=_DROPPED, noted_at="reporting"),
    Key("reporting.newrelic.verbose", "2", "true", noted=_DROPPED, noted_at="reporting"),
    Key(
        "compatibility.schema1.signingkeyfile",
        "2",
        "/k",
        noted=_SCHEMA1,
        noted_at="compatibility.schema1",
        variable="COMPATIBILITY_SCHEMA1_TRUSTKEY",
    ),
    Key(
        "compatibility.schema1.enabled",
        "2",
        "true",
        noted=_SCHEMA1,
        noted_at="compatibility.schema1",
    ),
)
