"""`REGISTRY_*` variables: Distribution's names and ours, over any file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from entrepot.core.configuration import Configuration, Loaded, load
from entrepot.core.errors import ConfigurationError

Load = Callable[..., Loaded]
Refuse = Callable[..., tuple[str, ...]]

HEAD = "version: 0.1\nstorage: inmemory\n"


def at(configuration: Configuration, path: str) -> Any:
    value: Any = configuration
    for key in path.split("."):
        value = value[int(key)] if key.isdecimal() else getattr(value, key)
    return value


@pytest.mark.parametrize(
    ("name", "value", "path", "wanted"),
    [
        ("HTTP_ADDR", ":5001", "http.addr", ":5001"),
        ("HTTP_ADDR", "[::1]:5001", "http.addr", "[::1]:5001"),
        ("HTTP_SECRET", "0123", "http.secret", "0123"),
        ("HTTP_SECRET", "'0123'", "http.secret", "0123"),
        ("HTTP_SECRET", "a: b", "http.secret", "a: b"),
        ("HTTP_SECRET", "*star", "http.secret", "*star"),
        ("HTTP_SECRET", "{open", "http.secret", "{open"),
        ("HTTP_SECRET", "[a]", "http.secret", "[a]"),
        ("HTTP_RELATIVEURLS", "true", "http.relativeurls", True),
        ("HTTP_RELATIVEURLS", "y", "http.relativeurls", True),
        ("HTTP", "{relativeurls: on, workers: 2}", "http.workers", 2),
        ("HTTP_TLS_CLIENTCAS_0", "/ca.pem", "http.tls.clientcas", ("/ca.pem",)),
        ("HTTP_TLS_CIPHERSUITES", "[a, b]", "http.tls.ciphersuites", ("a", "b")),
        ("LOG_LEVEL", "debug", "log.level", "debug"),
        ("LOG_FIELDS_SERVICE", "registry", "log.fields", {"service": "registry"}),
        ("LOG_FIELDS", "{A: 1}", "log.fields", {"A": 1}),
        ("LOG_ACCESSLOG_DISABLED", "true", "log.accesslog.disabled", True),
        ("STORAGE_DELETE_ENABLED", "true", "storage.delete.enabled", True),
        ("STORAGE_DELETE", "{enabled: true}", "storage.delete.enabled", True),
        ("STORAGE_TAG_CONCURRENCYLIMIT", "5", "storage.tag.concurrencylimit", 5),
        ("STORAGE_CACHE_BLOBDESCRIPTOR", "inmemory", "storage.cache.blobdescriptor", "inmemory"),
        ("CATALOG_MAXENTRIES", "7", "catalog.maxentries", 7),
        ("VALIDATION_MANIFESTS_URLS_ALLOW_0", "^https://", "validation.manifests.urls.allow",
         ("^https://",)),
        ("NOTIFICATIONS_EVENTS_INCLUDEREFERENCES", "true",
         "notifications.events.includereferences", True),
        ("NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES", "true",
         "notifications.events.includereferences", True),
        ("NOTIFICATIONS_ENDPOINTS_0_DISABLED", "true", "notifications.endpoints.0.disabled", True),
        ("NOTIFICATIONS_ENDPOINTS", "[{name: a, disabled: true}]",
         "notifications.endpoints.0.name", "a"),
        ("REDIS_ADDRS", "[a:1, b:2]", "redis.addrs", ("a:1", "b:2")),
        ("REDIS_OPTIONS_ADDRS", "[a:1]", "redis.addrs", ("a:1",)),
        ("REDIS_TLS_ROOTCAS_0", "/ca", "redis.tls.rootcas", ("/ca",)),
        ("HEALTH_STORAGEDRIVER_THRESHOLD", "3", "health.storagedriver.threshold", 3),
        ("COMPATIBILITY_SCHEMA1_TRUSTKEY", "/k", "compatibility.schema1.signingkeyfile", "/k"),
        ("COMPATIBILITY_SCHEMA1_SIGNINGKEYFILE", "/k", "compatibility.schema1.signingkeyfile",
         "/k"),
        ("HTTP_HEADERS_X-A", "[b]", "http.headers", {"x-a": ("b",)}),
        ("HTTP_HEADERS_X_FRAME_OPTIONS", "[DENY]", "http.headers",
         {"x-frame-options": ("DENY",)}),
        ("HTTP_HEADERS_X_FRAME_OPTIONS_0", "DENY", "http.headers",
         {"x-frame-options": ("DENY",)}),
        ("HEALTH_FILE", "[{file: /f}]", "health.file.0.file", "/f"),
        ("AUTH", "htpasswd", "auth.method", "htpasswd"),
        ("AUTH_HTPASSWD_REALM", "r", "auth.parameters", {"realm": "r"}),
        ("PROXY_TTL", "24h", "proxy.ttl.seconds", 86400.0),
        ("PROXY_EXEC_COMMAND", "/bin/c", "proxy.exec.command", "/bin/c"),
    ],
)  # fmt: skip
def test_variable_sets_a_key(
    loaded: Load, name: str, value: str, path: str, wanted: object
) -> None:
    found = loaded(HEAD, {f"REGISTRY_{name}": value})

    assert at(found.configuration, path) == wanted
    assert not [note for note in found.notes if "unrecognised" in note]


def test_readonly_in_the_file_is_overridden(loaded: Load) -> None:
    text = "version: 0.1\nstorage: {inmemory: , maintenance: {readonly: {enabled: true}}}\n"

    storage = loaded(text, {"REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED": "false"})

    assert storage.configuration.storage.maintenance.readonly.enabled is False


@pytest.mark.parametrize(
    ("text", "environ", "driver", "parameters"),
    [
        ("{filesystem: {rootdirectory: /a, maxthreads: 50}}",
         {"_FILESYSTEM_ROOTDIRECTORY": "/x"},
         "filesystem", {"rootdirectory": "/x", "maxthreads": 50}),
        ("{filesystem: }", {"_FILESYSTEM_ROOTDIRECTORY": "/x"},
         "filesystem", {"rootdirectory": "/x"}),
        ("filesystem", {"_FILESYSTEM_ROOTDIRECTORY": "/x"},
         "filesystem", {"rootdirectory": "/x"}),
        ("{filesystem: {rootdirectory: /a}}", {"": "s3", "_S3_BUCKET": "b"},
         "s3", {"bucket": "b"}),
        ("{filesystem: {rootdirectory: /a}}", {"": "{s3: {bucket: a}}", "_S3_BUCKET": "b"},
         "s3", {"bucket": "b"}),
        ("{filesystem: {rootdirectory: /a}}", {"_FILESYSTEM": "{maxthreads: 30}"},
         "filesystem", {"maxthreads": 30}),
        ("{s3: {Bucket: a}}", {"_S3_BUCKET": "b"}, "s3", {"Bucket": "b"}),
        ("{s3: {bucket: a}}", {"_S3_SECURE": "false", "_S3_CHUNKSIZE": "5242880"},
         "s3", {"bucket": "a", "secure": False, "chunksize": 5242880}),
        ("{s3: {deep: {Key: {a: 1}}}}", {"_S3_DEEP_KEY_A": "2", "_S3_DEEP_NEW_B": "3"},
         "s3", {"deep": {"Key": {"a": 2}, "new": {"b": 3}}}),
        ("{azure: {max_retries: 1}}", {"_AZURE_MAX_RETRIES": "2"}, "azure", {"max_retries": 2}),
        ("{s3: {list: [a, b]}}", {"_S3_LIST_1": "c", "_S3_LIST_2": "d"},
         "s3", {"list": ["a", "c", "d"]}),
        ("{my-driver: {a: 1}}", {"_MY_DRIVER_A": "2"}, "my-driver", {"a": 2}),
        ("{s3: {secretkey: a}}", {"_S3_SECRETKEY": "a/b+c=="}, "s3", {"secretkey": "a/b+c=="}),
        ("{s3: {secretkey: a}}", {"_S3_SECRETKEY": "*a"}, "s3", {"secretkey": "*a"}),
        ("{s3: {region: a}}", {"_S3_REGION": ""}, "s3", {"region": None}),
    ],
)  # fmt: skip
def test_variables_of_the_driver(
    loaded: Load,
    text: str,
    environ: Mapping[str, str],
    driver: str,
    parameters: Mapping[str, object],
) -> None:
    variables = {f"REGISTRY_STORAGE{name}": value for name, value in environ.items()}

    storage = loaded(f"version: 0.1\nstorage: {text}\n", variables).configuration.storage

    assert storage.driver == driver
    assert storage.parameters == parameters


def test_variable_brings_another_driver_than_the_file(refused: Refuse) -> None:
    text = "version: 0.1\nstorage:\n  filesystem:\n"

    assert refused(text, {"REGISTRY_STORAGE_S3_BUCKET": "b"}) == (
        (
            "storage: more than one storage driver: filesystem [file config.yml line 3], "
            "s3 [environment REGISTRY_STORAGE_S3_BUCKET]; to use s3, set REGISTRY_STORAGE=s3 too"
        ),
    )


@pytest.mark.parametrize(
    ("environ", "driver", "parameters"),
    [
        ({"STORAGE_S3_BUCKET": "b"}, "s3", {"bucket": "b"}),
        ({"STORAGE": "inmemory"}, "inmemory", {}),
        ({"STORAGE": "filesystem"}, "filesystem", {"rootdirectory": "./registry-data"}),
        ({"STORAGE_FILESYSTEM_ROOTDIRECTORY": "/x"}, "filesystem", {"rootdirectory": "/x"}),
        ({"STORAGE_FILESYSTEM_MAXTHREADS": "30"}, "filesystem",
         {"maxthreads": 30, "rootdirectory": "./registry-data"}),
        ({"STORAGE_DELETE_ENABLED": "true"}, "filesystem", {"rootdirectory": "./registry-data"}),
    ],
)  # fmt: skip
def test_variables_without_a_file(
    environ: Mapping[str, str], driver: str, parameters: Mapping[str, object]
) -> None:
    variables = {f"REGISTRY_{name}": value for name, value in environ.items()}

    configuration = load(None, variables).configuration

    assert configuration.storage.driver == driver
    assert configuration.storage.parameters == parameters
    assert configuration.http.addr == "127.0.0.1:5000"


def test_two_drivers_by_variables_alone() -> None:
    with pytest.raises(ConfigurationError, match=r"more than one storage driver.*keep one"):
        load(None, {"REGISTRY_STORAGE_S3_BUCKET": "b", "REGISTRY_STORAGE_GCS_BUCKET": "b"})


def test_section_by_variable_without_a_file_keeps_other_defaults() -> None:
    http = load(None, {"REGISTRY_HTTP": "{prefix: /a/}"}).configuration.http

    assert (http.prefix, http.addr) == ("/a/", "127.0.0.1:5000")


@pytest.mark.parametrize(
    ("name", "value", "mistake"),
    [
        ("STORAGE", "[a]", "storage: a section is wanted"),
        ("HTTP", "a", "http: a section is wanted"),
        ("STORAGE_FILESYSTEM", "/x", "storage.filesystem: a section is wanted here"),
    ],
)
def test_section_that_is_none_without_a_file(name: str, value: str, mistake: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {f"REGISTRY_{name}": value})
    assert len(caught.value.mistakes) == 1
    assert caught.value.mistakes[0].startswith(mistake)


def test_unix_socket_without_a_file() -> None:
    environ = {"REGISTRY_HTTP_NET": "unix", "REGISTRY_HTTP_ADDR": "/run/registry.sock"}

    assert load(None, environ).configuration.http.addr == "/run/registry.sock"


def test_header_of_the_file_is_overridden_not_doubled(loaded: Load) -> None:
    text = HEAD + "http: {headers: {X-Frame-Options: [DENY], X-B: [c]}}\n"

    headers = loaded(
        text, {"REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS": "[SAMEORIGIN]"}
    ).configuration.http.headers

    assert headers == {"X-Frame-Options": ("SAMEORIGIN",), "X-B": ("c",)}


def test_indexes_change_and_append(loaded: Load) -> None:
    text = HEAD + "notifications: {endpoints: [{name: a, disabled: true}]}\n"
    prefix = "REGISTRY_NOTIFICATIONS_ENDPOINTS_"

    endpoints = loaded(
        text,
        {f"{prefix}0_NAME": "b", f"{prefix}1_NAME": "c", f"{prefix}1_DISABLED": "true"},
    ).configuration.notifications.endpoints

    assert [(one.name, one.disabled) for one in endpoints] == [("b", True), ("c", True)]


def test_index_that_leaves_a_gap(refused: Refuse) -> None:
    assert refused(HEAD, {"REGISTRY_HTTP_TLS_CLIENTCAS_2": "/ca"}) == (
        "REGISTRY_HTTP_TLS_CLIENTCAS_2: index 2 leaves a gap in a list of 0; the next one is 0",
    )


@pytest.mark.parametrize("name", ["HTTP_TLS_CLIENTCAS_X", "REDIS_OPTIONS", "HTTP_TLS_CLIENTCAS_-1"])
def test_variable_that_leads_nowhere_is_noted(loaded: Load, name: str) -> None:
    (note,) = loaded(HEAD, {f"REGISTRY_{name}": "s3cr3t"}).notes

    assert note.startswith(f"REGISTRY_{name}: unrecognised environment variable, ignored")


def test_value_where_a_section_is_needed(refused: Refuse) -> None:
    text = HEAD + "log: {fields: {a: s3cr3t}}\n"

    assert refused(text, {"REGISTRY_LOG_FIELDS_A_B": "c"}) == (
        "REGISTRY_LOG_FIELDS_A_B: there is a value where a section is needed; remove one",
    )


def test_mistake_in_a_variable_names_it(refused: Refuse) -> None:
    assert refused(HEAD, {"REGISTRY_HTTP_WORKERS": "s3cr3t"}) == (
        "http.workers: a whole number is wanted [environment REGISTRY_HTTP_WORKERS]",
    )


def test_section_that_is_not_yaml(refused: Refuse) -> None:
    assert refused(HEAD, {"REGISTRY_HTTP_HEADERS": "{s3cr3t"}) == (
        "REGISTRY_HTTP_HEADERS: not YAML; put the value in quotes",
    )


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("REGISTRY_HTTP_ADR", "; did you mean REGISTRY_HTTP_ADDR?"),
        ("REGISTRY_HTTPADDR", "; did you mean REGISTRY_HTTP_ADDR?"),
        ("REGISTRY_STORAGE_DELETE_ENABLE", "; did you mean REGISTRY_STORAGE_DELETE_ENABLED?"),
        ("REGISTRY_HTTP_ADDR_MORE", "; did you mean REGISTRY_HTTP_ADDR?"),
        ("REGISTRY_XYZXYZXYZXYZ", ""),
        ("REGISTRY_", None),
        ("REGISTRY_FILE", None),
        ("REGISTRY_STORAGE_", None),
    ],
)
def test_unknown_variable_is_noted(loaded: Load, name: str, hint: str | None) -> None:
    (note,) = loaded(HEAD, {name: "s3cr3t"}).notes

    assert note.startswith(f"{name}: unrecognised environment variable, ignored")
    assert hint is None or note.endswith(f"ignored{hint}")


@pytest.mark.parametrize("name", ["REGISTRY_VERSION", "registry_http_addr", "REGISTRYX", "HOME"])
def test_variable_that_is_none_of_ours(loaded: Load, name: str) -> None:
    found = loaded(HEAD, {name: "2.8"})

    assert found.notes == ()
    assert found.configuration == loaded(HEAD).configuration


def test_service_links_of_kubernetes_give_one_note(loaded: Load) -> None:
    links = {
        "REGISTRY_PORT": "tcp://10.0.0.1:5000",
        "REGISTRY_PORT_5000_TCP": "tcp://10.0.0.1:5000",
        "REGISTRY_PORT_5000_TCP_ADDR": "10.0.0.1",
        "REGISTRY_SERVICE_HOST": "10.0.0.1",
        "REGISTRY_SERVICE_PORT": "5000",
        "REGISTRY_SERVICE_PORT_HTTP": "5000",
        "REGISTRY_AUTH_PORT": "tcp://10.0.0.2:80",
        "REGISTRY_AUTH_SERVICE_HOST": "10.0.0.2",
        "REGISTRY_STORAGE_PORT_80_TCP_PROTO": "tcp",
    }

    found = loaded(HEAD, links)

    assert len(found.notes) == 1
    assert found.notes[0].startswith("REGISTRY_AUTH_PORT and 8 more: ignored")
    assert found.configuration == loaded(HEAD).configuration


def test_port_of_a_driver_is_no_service_link() -> None:
    storage = load(None, {"REGISTRY_STORAGE_SFTP_PORT": "22"}).configuration.storage

    assert storage.parameters == {"port": 22}


def test_comment_in_a_value_is_noted(loaded: Load) -> None:
    found = loaded(HEAD, {"REGISTRY_LOG_FIELDS_A": "s3cr3t #1"})

    assert found.configuration.log.fields == {"a": "s3cr3t"}
    assert found.notes == (
        "REGISTRY_LOG_FIELDS_A: what follows ' #' is a comment; quote the value to keep it",
    )
