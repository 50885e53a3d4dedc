"""Which backends pass the kit, as a Markdown table: `python -m tests.certify`.

Arguments go to pytest: other modules than all drivers' own, `-k`, `-n 2`. With
`ENTREPOT_KIT_SLOW=1` the objects of 6 GiB are in. The table is written to standard output,
or to the file that `--certificate` names.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from entrepot.core.testing.declared import Declared

_KIT = "entrepot.core.testing."
_WHERE = ["tests/drivers/test_suite.py", "tests/real/drivers"]
_PROPERTY = "certified"


@dataclass
class Certificate:
    """How one driver's class of tests fared in one suite."""

    lowered: dict[str, str] = field(default_factory=dict[str, str])
    passed: set[str] = field(default_factory=set[str])
    failed: set[str] = field(default_factory=set[str])
    deviations: dict[str, str] = field(default_factory=dict[str, str])
    skipped: dict[str, str] = field(default_factory=dict[str, str])

    def note(self, report: pytest.TestReport, test: str) -> None:
        if report.failed:
            self.passed.discard(test)
            self.failed.add(test)
        elif hasattr(report, "wasxfail"):
            self.deviations[test] = report.wasxfail
        elif report.skipped:
            self.skipped[test] = _reason(report)
        elif report.when == "call":
            self.passed.add(test)


class Certifying:
    """Gathers the results of a run, also of several processes."""

    def __init__(self) -> None:
        self.certificates: defaultdict[tuple[str, str], Certificate] = defaultdict(Certificate)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, value in report.user_properties:
            if name == _PROPERTY:
                noted: Any = value
                certificate = self.certificates[noted["suite"], noted["driver"]]
                certificate.lowered = noted["lowered"]
                certificate.note(report, noted["test"])


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--certificate", default="", help="file that the table is written to")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Certifying(), "certifying")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Say in each report of a suite's test which suite and driver it is of."""
    report = (yield).get_result()
    kind: type | None = getattr(item, "cls", None)
    if kind is not None and issubclass(kind, Declared):
        suite = next(each.__name__ for each in kind.__mro__ if each.__module__.startswith(_KIT))
        driver = kind.__name__.removeprefix("Test")
        noted = {"suite": suite, "driver": driver, "test": item.name, "lowered": dict(kind.lowered)}
        report.user_properties = [(_PROPERTY, noted)]


def pytest_sessionfinish(session: pytest.Session) -> None:
    certifying = session.config.pluginmanager.get_plugin("certifying")
    if certifying is None:
        return
    text = table(certifying.certificates)
    path = session.config.getoption("--certificate")
    if path:
        Path(path).write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(f"\n\n{text}")


def table(certificates: dict[tuple[str, str], Certificate]) -> str:
    """The Markdown of all results, and behind it every reason why something was not passed."""
    lines = [
        "| driver | suite | passed | failed | deviations | skipped |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for (suite, driver), each in sorted(certificates.items(), key=lambda item: item[0][::-1]):
        counts = (each.passed, each.failed, each.deviations, each.skipped)
        lines.append(" | ".join([f"| {driver}", suite, *(str(len(c)) for c in counts)]) + " |")
    for (suite, driver), each in sorted(certificates.items(), key=lambda item: item[0][::-1]):
        reasons = [
            *(f"failed: {test}" for test in sorted(each.failed)),
            *_because("deviation", each.deviations),
            *_because("lowered", each.lowered),
            *_because("skipped", each.skipped),
        ]
        if reasons:
            lines += ["", f"**{driver}**, {suite}:", "", *(f"- {reason}" for reason in reasons)]
    return "\n".join(lines) + "\n"


def _because(what: str, reasons: dict[str, str]) -> Iterable[str]:
    """One line for each reason, with the tests that share it."""
    tests: defaultdict[str, list[str]] = defaultdict(list)
    for test, reason in sorted(reasons.items()):
        tests[reason].append(test)
    return [f"{what}: {', '.join(names)}: {reason}" for reason, names in tests.items()]


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def main(arguments: list[str]) -> int:
    where = [] if any(each.partition("::")[0].endswith(".py") for each in arguments) else _WHERE
    options = ["-q", "-p", "tests.certify", "-m", "real or not real"]
    return pytest.main([*options, *where, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
