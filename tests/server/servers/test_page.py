"""The page for operators: its example works, its figures are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from tests.tools.authority import Authority

from entrepot.core.configuration import load
from entrepot.server.servers import idle, settings
from entrepot.server.servers.choosing import listener, material
from entrepot.server.servers.granian import GranianListener
from entrepot.server.servers.sockets import listen, listen_debug

PAGE = (Path(__file__).parents[3] / "docs" / "http.md").read_text(encoding="utf-8")


async def nothing(*_: object) -> None:
    """An application that is never asked."""


def test_example_is_listened_with(tmp_path: Path) -> None:
    """With files of a test and ports that are free."""
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    given = yaml.safe_load(found[1])
    certificate, key = Authority().sign().write(tmp_path, "server")
    given["http"]["tls"] |= {"certificate": str(certificate), "key": str(key)}
    given["http"]["addr"] = ":0"
    given["http"]["debug"]["addr"] = "127.0.0.1:0"
    file = tmp_path / "config.yml"
    file.write_text(yaml.safe_dump(given))  # pyright: ignore[reportUnknownMemberType]

    loaded = load(file, {})

    assert loaded.notes == ()
    configuration = loaded.configuration
    shown = material(configuration)
    assert shown is not None
    with listen(configuration) as sockets, listen_debug(configuration.http.debug.addr):
        assert len(sockets.each) == 2
        made = listener(nothing, configuration, sockets.of(0), shown)
        assert isinstance(made, GranianListener)


def test_figures_of_the_page_are_those_of_the_code() -> None:
    of_idle, of_settings = vars(idle), vars(settings)

    assert f"| headers | {settings.HEADER_SECONDS:g} s;" in PAGE
    seconds = (of_idle["_IDLE"], of_idle["_CROWDED_IDLE"])
    assert "| {:g} s at most; {:g} s when three quarters".format(*seconds) in PAGE
    assert of_idle["_CROWDED"] == 0.75
    assert f"{of_settings['_MOST']} at most; more wait" in PAGE
    assert f"allows, at most {of_settings['_FILES']}." in PAGE
