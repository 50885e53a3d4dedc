"""The file: what is taken, what holds by default, and every mistake at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from entrepot.core.configuration import Address, Configuration, Duration, Loaded, load
from entrepot.core.errors import ConfigurationError

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]

HEAD = "version: 0.1\nstorage: inmemory\n"


def test_defaults_without_a_file() -> None:
    loaded = load(None, {})

    configuration = loaded.configuration
    assert configuration.storage.driver == "filesystem"
    assert configuration.storage.parameters == {"rootdirectory": "./registry-data"}
    assert configuration.http.address == Address("127.0.0.1", 5000)
    assert loaded.notes == ()


def test_defaults_of_a_file(loaded: Load) -> None:
    configuration = loaded("version: 0.1\nstorage:\n  filesystem:\n").configuration

    assert configuration.storage.parameters == {}
    assert configuration.http.address == Address("", 5000)
    assert configuration.http.prefix == "/"
    assert configuration.http.workers == 1
    assert configuration.http.draintimeout == Duration.parse("20s")
    assert configuration.http.idletimeout == Duration.parse("5m")
    assert configuration.log.level == "info"
    assert configuration.log.formatter == "text"
    assert configuration.storage.delete.enabled is False
    assert configuration.catalog.maxentries == 1000
    assert configuration.tags.maxtags == 1000
    assert configuration.auth.method == "none"


def test_file_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "registry.yml"
    file.write_text(HEAD + "http: {addr: ':5005'}\n")

    configuration = load(None, {"REGISTRY_CONFIGURATION_PATH": str(file)}).configuration

    assert configuration.http.addr == ":5005"


def test_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "registry.yml"
    file.write_text(HEAD, encoding="utf-8-sig")

    assert load(file, {}).configuration.storage.driver == "inmemory"


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yml: cannot be read: No such file"):
        load(tmp_path / "none.yml", {})


def test_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "registry.yml"
    file.write_bytes(b"version: \xff\xfe")

    with pytest.raises(ConfigurationError, match="cannot be read: it is not UTF-8 text"):
        load(file, {})


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "version: missing; write `version: 0.1` at the top"),
        ("storage: inmemory", "version: missing; write `version: 0.1` at the top"),
        ("version:\nstorage: inmemory", "version: missing; write `version: 0.1` at the top"),
        (
            "version: 0.2\nstorage: inmemory",
            "version: not supported; write `version: 0.1` [file config.yml line 1]",
        ),
        (
            "storage: inmemory\nversion: {a: b}",
            "version: not supported; write `version: 0.1` [file config.yml line 2]",
        ),
        (
            "- a",
            "config.yml: not a configuration; begin with `version: 0.1`",
        ),
        ("version: 0.1", "storage: no storage driver; name one, like `filesystem`"),
        (
            "version: 0.1\nstorage: {delete: {enabled: true}}",
            "storage: no storage driver; name one, like `filesystem` [file config.yml line 2]",
        ),
        (
            "version: 0.1\nstorage:\n  s3: {}\n  gcs: {}",
            (
                "storage: more than one storage driver: s3 [file config.yml line 3], "
                "gcs [file config.yml line 4]; keep one"
            ),
        ),
        (
            "version: 0.1\nstorage:\n  s3: {}\n  mantenance: {}",
            (
                "storage: more than one storage driver: s3 [file config.yml line 3], "
                "mantenance [file config.yml line 4]; did you mean 'maintenance' by 'mantenance'?"
            ),
        ),
        (
            "version: 0.1\nstorage: [filesystem]",
            (
                "storage: a section is wanted; put `key: value` lines below it "
                "[file config.yml line 2]"
            ),
        ),
        (
            "version: 0.1\nstorage: {filesystem: /data}",
            (
                "storage.filesystem: a section is wanted here; put `key: value` lines below it "
                "[file config.yml line 2]"
            ),
        ),
        (
            HEAD + "auth:\n  none:\n  htpasswd: {}",
            (
                "auth: more than one way of authentication: none [file config.yml line 4], "
                "htpasswd [file config.yml line 5]; keep one"
            ),
        ),
    ],
)
def test_file_rule_broken(refused: Refuse, text: str, mistake: str) -> None:
    assert mistake in refused(text)


@pytest.mark.parametrize("version", ["0.1", "'0.1'", '"0.1"'])
def test_version_as_number_or_text(loaded: Load, version: str) -> None:
    assert loaded(f"version: {version}\nstorage: inmemory").configuration.version == "0.1"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("http: {adr: x}", "http.adr: unknown key; did you mean 'addr'?"),
        ("http: {Addr: ':5000'}", "http.Addr: unknown key; did you mean 'addr'?"),
        ("http: {adr: }", "http.adr: unknown key; did you mean 'addr'?"),
        ("htp: {addr: x}", "htp: unknown key; did you mean 'http'?"),
        ("draintimeout: 5s", "draintimeout: unknown key; did you mean 'http.draintimeout'?"),
        ("catalog: {xyz: 1}", "catalog.xyz: unknown key; known here: maxentries"),
        ("storage: {inmemory: , delete: {enable: true}}",
         "storage.delete.enable: unknown key; did you mean 'enabled'?"),
        ("health: {http: [{uri: 'http://a', statuscode: 200, zz: 1}]}",
         ("health.http.0.zz: unknown key; "
         "known here: headers, interval, statuscode, threshold, timeout, uri")),
        ("http: {addr: localhost}",
         "http.addr: an address with a port is wanted; write it like :5000 or 127.0.0.1:5000"),
        ("http: {net: unix, addr: ''}",
         "http.addr: a path is wanted with `net: unix`; write it like /run/registry.sock"),
        ("http: {net: unix, addr: }",
         "http.addr: a path is wanted with `net: unix`; write it like /run/registry.sock"),
        ("http: {net: udp}", "http.net: one of 'tcp' or 'unix' is wanted"),
        ("http: {prefix: /a}",
         "http.prefix: it must begin and end with '/'; write it like /my/registry/"),
        ("http: {host: 'registry:5000'}",
         "http.host: a URL is wanted; write it like https://registry.example.com"),
        ("http: {host: 'http://[::'}",
         "http.host: a URL is wanted; write it like https://registry.example.com"),
        ("http: {workers: 0}", "http.workers: at least 1 is wanted"),
        ("health: {file: [{file: ''}]}",
         "health.file.0.file: missing; give it a value"),
        ("http: {workers: many}", "http.workers: a whole number is wanted"),
        ("http: {idletimeout: 0}", "http.idletimeout: more than 0 is wanted; write it like 5m"),
        ("http: {draintimeout: soon}",
         "http.draintimeout: a duration is wanted; write it like 300ms, 10s, 5m or 168h"),
        ("http: {draintimeout: -1s}", "http.draintimeout: a duration of at least 0 is wanted"),
        ("http: {draintimeout: {a: b}}",
         "http.draintimeout: a duration is wanted; write it like 300ms, 10s, 5m or 168h"),
        ("http: {relativeurls: 2}", "http.relativeurls: true or false is wanted"),
        ("http: {relativeurls: [true]}", "http.relativeurls: true or false is wanted"),
        ("http: {secret: [a]}", "http.secret: text is wanted; put a single value here"),
        ("http: {headers: {X-A: b}}",
         "http.headers.X-A: a list is wanted; put it in square brackets"),
        ("http: {headers: [a]}",
         "http.headers: a section is wanted; put `key: value` lines below it"),
        ("http: {debug: {addr: a}}",
         ("http.debug.addr: an address with a port is wanted; "
         "write it like :5000 or 127.0.0.1:5000")),
        ("http: 5", "http: a section is wanted; put `key: value` lines below it"),
        ("log: {level: loud}",
         "log.level: one of 'error', 'warn', 'info' or 'debug' is wanted"),
        ("log: {formatter: xml}",
         "log.formatter: one of 'text', 'json' or 'logstash' is wanted"),
        ("log: {fields: [a]}",
         "log.fields: a section is wanted here; put `key: value` lines below it"),
        ("tags: {maxtags: -1}", "tags.maxtags: at least 0 is wanted"),
        ("storage: {inmemory: , tag: {concurrencylimit: -1}}",
         "storage.tag.concurrencylimit: at least 0 is wanted"),
        ("validation: {manifests: {urls: {allow: ['(']}}}",
         ("validation.manifests.urls.allow.0: not a regular expression: missing ), "
         "unterminated subpattern; see Python's `re`")),
        ("http: {tls: {clientauth: maybe}}",
         ("http.tls.clientauth: one of 'request-client-cert', 'require-any-client-cert', "
         "'verify-client-cert-if-given' or 'require-and-verify-client-cert' is wanted")),
        ("redis: {db: -1}", "redis.db: at least 0 is wanted"),
        ("redis: {qwertz: 1}", "redis.qwertz: unknown key; remove it"),
        ("redis: {pool: [a]}",
         "redis.pool: a section is wanted; put `key: value` lines below it"),
        ("notifications: {endpoints: {name: a}}",
         "notifications.endpoints: a list is wanted; put it in square brackets"),
    ],
)  # fmt: skip
def test_mistake_in_one_line(refused: Refuse, text: str, mistake: str) -> None:
    head = "version: 0.1\n" if text.startswith("storage:") else HEAD
    wanted = (f"{mistake} [file config.yml line {head.count(chr(10)) + 1}]",)

    assert refused(head + text) == wanted


def test_all_mistakes_at_once(refused: Refuse) -> None:
    text = (
        "http:\n  adr: x\n  workers: 0\nlog: {level: loud}\nproxy: {remoteurl: 'https://a'}\n"
        "storage: {a: {}, b: {}}\n"
    )

    mistakes = refused(text, {"REGISTRY_HTTP_HEADERS": "{"})

    assert [mistake.split(":")[0] for mistake in mistakes] == [
        "REGISTRY_HTTP_HEADERS",
        "version",
        "storage",
        "log.level",
        "http.workers",
        "http.adr",
        "proxy.remoteurl",
    ]


def test_no_secret_in_any_mistake(refused: Refuse) -> None:
    text = (
        "http: {secret: [s3cr3t], host: 's3cr3t', addr: s3cr3t, prefix: s3cr3t, net: s3cr3t}\n"
        "proxy: {password: {s: s3cr3t}, remoteurl: 's3cr3t', ttl: s3cr3t}\n"
        "redis: {password: [s3cr3t], db: s3cr3t}\n"
        "log: {level: s3cr3t}\nversion: s3cr3t\n"
        "validation: {manifests: {urls: {allow: ['(s3cr3t']}}}\n"
    )

    mistakes = refused(text, {"REGISTRY_NOTIFICATIONS_ENDPOINTS": "[s3cr3t"})

    assert len(mistakes) > 12
    assert "s3cr3t" not in "\n".join(mistakes)


def test_null_is_a_key_left_out(loaded: Load) -> None:
    text = HEAD + "http:\n  addr:\nlog:\ncatalog: {maxentries: }\nauth:\n"

    configuration = loaded(text).configuration

    assert configuration.http.addr == ":5000"
    assert configuration.catalog.maxentries == 1000


@pytest.mark.parametrize("text", ["storage: inmemory", "storage:\n  inmemory:",
                                  "storage: {inmemory: {}}"])  # fmt: skip
def test_driver_as_mere_name_null_or_section(loaded: Load, text: str) -> None:
    storage = loaded(f"version: 0.1\n{text}\n").configuration.storage

    assert (storage.driver, storage.parameters) == ("inmemory", {})


@pytest.mark.parametrize("text", ["auth: none", "auth:\n  none:", "auth: {}", ""])
def test_auth_none(loaded: Load, text: str) -> None:
    assert loaded(f"{HEAD}{text}\n").configuration.auth.method == "none"


@pytest.mark.parametrize("word", ["true", "True", "yes", "y", "on", "ON", "'true'"])
def test_boolean_words_of_yaml_1_1(loaded: Load, word: str) -> None:
    assert loaded(f"{HEAD}http: {{relativeurls: {word}}}").configuration.http.relativeurls


def test_text_stays_as_written(loaded: Load) -> None:
    text = HEAD + "proxy: {username: 007, password: yes}\nlog: {hooks: [{type: 1.50}]}\n"

    configuration = loaded(text).configuration

    assert configuration.proxy.username == "007"
    assert configuration.proxy.password == "yes"
    assert configuration.log.hooks[0].type == "1.50"


def test_everything_of_http(loaded: Load) -> None:
    text = HEAD + (
        "http:\n  net: unix\n  addr: /run/registry.sock\n  prefix: /a/b/\n"
        "  host: https://r.example.com\n  relativeurls: on\n  draintimeout: 1m30s\n"
        "  headers:\n    X-Content-Type-Options: [nosniff]\n    X-B: [a, b]\n"
        "  h2c: {enabled: true}\n  http2: {disabled: true}\n  workers: 4\n  idletimeout: 90s\n"
    )

    http = loaded(text).configuration.http

    assert http.address is None
    assert http.addr == "/run/registry.sock"
    assert http.prefix == "/a/b/"
    assert http.host == "https://r.example.com"
    assert http.relativeurls is True
    assert http.draintimeout.seconds == 90
    assert http.headers == {"X-Content-Type-Options": ("nosniff",), "X-B": ("a", "b")}
    assert http.h2c.enabled is True
    assert http.http2.disabled is True
    assert http.workers == 4
    assert http.idletimeout.seconds == 90


@pytest.mark.parametrize(("given", "most"), [("0", 1000), ("-5", 1000), ("7", 7)])
def test_catalog_maxentries(loaded: Load, given: str, most: int) -> None:
    assert (
        loaded(f"{HEAD}catalog: {{maxentries: {given}}}").configuration.catalog.maxentries == most
    )


def test_tags_maxtags_of_zero_is_the_default(loaded: Load) -> None:
    assert loaded(f"{HEAD}tags: {{maxtags: 0}}").configuration.tags.maxtags == 1000


def test_log_fields_keep_their_types(loaded: Load) -> None:
    text = HEAD + "log: {level: DEBUG, fields: {service: registry, n: 1, on: yes, deep: {a: [1]}}}"

    log = loaded(text).configuration.log

    assert log.level == "debug"
    assert log.fields == {"service": "registry", "n": 1, "on": True, "deep": {"a": [1]}}


def test_configuration_from_plain_python() -> None:
    configuration = Configuration.model_validate(
        {"storage": {"filesystem": {"rootdirectory": "/x"}}, "http": {"draintimeout": "5s"}}
    )

    assert configuration.storage.driver == "filesystem"
    assert configuration.storage.parameters == {"rootdirectory": "/x"}
    assert configuration.http.draintimeout.seconds == 5


def test_configuration_from_a_section_made_before() -> None:
    http = Configuration.model_validate({"http": {"workers": 2}}).http

    assert Configuration.model_validate({"http": http}).http == http


def test_auth_of_a_plugin_from_plain_python() -> None:
    auth = Configuration.model_validate({"auth": {"mine": {"realm": "r"}}}).auth

    assert (auth.method, auth.parameters) == ("mine", {"realm": "r"})


def test_origins_say_where_each_value_came_from(loaded: Load) -> None:
    origins = loaded(
        "version: 0.1\nstorage:\n  s3:\n    bucket: b\nhttp:\n  headers:\n    X: [a]\n",
        {"REGISTRY_HTTP_ADDR": ":5001", "REGISTRY_STORAGE_S3_REGION": "eu"},
    ).origins

    assert origins["version"] == "file config.yml line 1"
    assert origins["storage.s3.bucket"] == "file config.yml line 4"
    assert origins["storage.s3.region"] == "environment REGISTRY_STORAGE_S3_REGION"
    assert origins["http.addr"] == "environment REGISTRY_HTTP_ADDR"
    assert origins["http.headers.X.0"] == "file config.yml line 7"
    assert origins["http.prefix"] == "default"
