"""What `http.tls.letsencrypt` asks for, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from entrepot.core.configuration import Configuration, load
from entrepot.core.errors import ConfigurationError
from entrepot.server.acme import wish as wishing
from entrepot.server.acme.certified import certified
from entrepot.server.acme.wish import LETS_ENCRYPT, wish

GOOD = {"CACHEFILE": "/cache", "HOSTS": "[registry.example.com]"}


def configured(acme: Mapping[str, str], **more: str) -> Configuration:
    environ = {f"REGISTRY_HTTP_TLS_LETSENCRYPT_{key}": value for key, value in acme.items()}
    environ |= {f"REGISTRY_{key}": value for key, value in more.items()}
    return load(None, {"REGISTRY_STORAGE": "inmemory", **environ}).configuration


def test_nothing_is_asked_for_by_default() -> None:
    assert wish(configured({})) is None


def test_configuration_that_does_not_ask_is_given_as_it_is() -> None:
    configuration = configured({})

    with certified(configuration) as given:
        assert given is configuration


def test_certificate_of_ones_own_comes_first() -> None:
    given = {"HTTP_TLS_CERTIFICATE": "/c", "HTTP_TLS_KEY": "/k"}

    assert wish(configured(GOOD, **given)) is None


def test_wish_has_the_defaults_of_distribution() -> None:
    made = wish(configured(GOOD))

    assert made is not None
    assert (made.hosts, made.email) == (("registry.example.com",), "")
    assert made.directory == LETS_ENCRYPT
    assert made.cache == Path("/cache")
    assert (made.address.host, made.address.port) == ("", 80)


def test_hosts_are_in_one_form() -> None:
    hosts = "[Registry.Example.com., registry.example.com, b_1.example.com, xn--bcher-kva.de, one]"

    made = wish(configured(GOOD | {"HOSTS": hosts}))

    assert made is not None
    assert made.hosts == ("registry.example.com", "b_1.example.com", "xn--bcher-kva.de", "one")


@pytest.mark.parametrize(
    ("key", "value", "mistake"),
    [
        ("CACHEFILE", "", "cachefile: missing; give a folder that outlives the container"),
        ("HOSTS", "[]", "hosts: missing; give the names that clients know the registry by"),
        ("HOSTS", "[a.b, '*.example.com']", r"hosts[1]: '*.example.com' is a wildcard, which"),
        ("HOSTS", "[192.0.2.1]", "hosts[0]: '192.0.2.1' is an IP address; a name is wanted"),
        ("HOSTS", "['[2001:db8::1]']", "hosts[0]: '[2001:db8::1]' is an IP address"),
        ("HOSTS", "['https://a.b']", "hosts[0]: 'https://a.b' is no host name; write it like"),
        ("HOSTS", "['a.b:443']", "hosts[0]: 'a.b:443' is no host name"),
        ("HOSTS", "['../a']", "hosts[0]: '../a' is no host name"),
        ("HOSTS", "['..']", "hosts[0]: '..' is no host name"),
        ("HOSTS", "['']", "hosts[0]: '' is no host name"),
        ("HOSTS", "['-a.b']", "hosts[0]: '-a.b' is no host name"),
        ("HOSTS", f"[{'a' * 64}.b]", f"hosts[0]: '{'a' * 64}.b' is no host name"),
        ("HOSTS", f"[{'a.' * 128}]", "hosts[0]: 'a.a.a."),
        ("HOSTS", "[bücher.de]", "hosts[0]: 'bücher.de' has letters beyond ASCII; write it in"),
        ("HOSTS", f"[{', '.join(f'h{n}.b' for n in range(101))}]", "hosts: 101 names; a certi"),
    ],
)
def test_mistake_is_told_in_a_line(key: str, value: str, mistake: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        wish(configured(GOOD | {key: value}))

    (line,) = raised.value.mistakes
    assert line.startswith(f"http.tls.letsencrypt.{mistake}")


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        wish(configured({"EMAIL": "a@example.com"}))

    assert [line.split(":")[0] for line in raised.value.mistakes] == [
        "http.tls.letsencrypt.cachefile",
        "http.tls.letsencrypt.hosts",
    ]


def test_cache_file_of_distribution_2_is_told_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "letsencrypt.json"
    file.write_text("{}")

    with pytest.raises(ConfigurationError, match=re.escape(f"like {file}.d, and remove")):
        wish(configured(GOOD | {"CACHEFILE": str(file)}))


def test_missing_library_is_told_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(_: str) -> None:
        return None

    monkeypatch.setattr(wishing, "find_spec", find_nothing)

    with pytest.raises(ConfigurationError, match=re.escape("pip install 'entrepot[acme]'")):
        wish(configured(GOOD))


def test_address_must_be_one() -> None:
    with pytest.raises(ConfigurationError, match=r"letsencrypt\.httpaddr: an address with a port"):
        configured(GOOD | {"HTTPADDR": "80"})


@pytest.mark.parametrize("below", ["", "/below"])
def test_cache_that_cannot_be_written_to_is_told_in_a_line(tmp_path: Path, below: str) -> None:
    link = tmp_path / "link"
    link.symlink_to("/proc/nowhere")
    wanted = GOOD | {"CACHEFILE": f"{link}{below}", "HTTPADDR": "127.0.0.1:0"}

    with pytest.raises(ConfigurationError) as raised, certified(configured(wanted)):
        pass

    (line,) = raised.value.mistakes
    assert line.startswith(f"http.tls.letsencrypt.cachefile: cannot write to {link}{below}: ")
    assert line.endswith("; give a folder that this user may write to")
