"""Measures entrepot against CNCF Distribution on this machine.

    python benchmarks/run.py              1 x 1 GiB and 8 x 256 MiB, minutes
    python benchmarks/run.py --quick      small sizes, under a minute, figures to be doubted
    python benchmarks/run.py --large      8 x 1 GiB instead of 8 x 256 MiB
    python benchmarks/run.py --backend s3 the same on a storage server of the tests

Needs Linux, and for the peers `registry-v3` or `registry-v2` in $ENTREPOT_TOOLS/bin, .tools/bin
or PATH: python tests/tools/install.py registry-v3 registry-v2
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, servers, storages, syncing, table, transfers
from benchmarks.content import Content
from benchmarks.failures import BenchmarkError
from benchmarks.figures import Figures
from benchmarks.stages import GIB, MIB, STAGES, Load, Plan, Run

_SLACK = GIB // 2  # bytes of disk beyond what the plan needs


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments say; the exit code."""
    options = _options(arguments)
    plan = _plan(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers end with either
    try:
        _benchmark(options, plan)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _benchmark(options: argparse.Namespace, plan: Plan) -> None:
    storages.check(options.backend)
    programs = servers.find(options.server, options.ours, options.backend)
    with tempfile.TemporaryDirectory(prefix="entrepot-bench-", dir=options.folder) as name:
        folder = Path(name)
        conditions = machine.conditions(folder.parent) | _notes(plan, options, folder)
        figures = Figures()
        content = Content(folder / "content", plan.sizes)
        syncing.flush(folder)
        stolen = machine.stolen_seconds()
        for turn in range(options.repeat):
            for program in programs:
                place = folder / f"{program.name}-{turn}"
                with servers.running(program, place, options.backend) as server:
                    run = Run(server, content, plan, figures, _say)
                    run.all()
                    if not turn and options.backend == storages.FILESYSTEM:
                        conditions |= {f"fsync, {program.title}": _syncs(run, folder)}
    conditions["stolen"] = (
        f"{machine.stolen_seconds() - stolen:.1f} CPU s, given to others by the host"
    )
    _show(figures, programs, conditions)
    if options.json:
        report = table.as_json(figures, programs, conditions)
        options.json.write_text(json.dumps(report, indent=2) + "\n")


def _notes(plan: Plan, options: argparse.Namespace, folder: Path) -> dict[str, str]:
    """What was agreed for this run; refuses one that the disk cannot hold."""
    free, needed = machine.free_space(folder), plan.space + _SLACK
    if free < needed:
        raise BenchmarkError(
            f"{folder.parent} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB are needed"
        )
    return {
        "disk": f"{needed / GIB:.1f} GiB needed, {free / GIB:.1f} GiB free",
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "repeats": f"{options.repeat}, the median is shown",
        "requests": f"{plan.connections} connections, {plan.seconds} s each",
        "caches": "what is pulled was just pushed; memory is warm",
        "servers": f"one at a time, one worker, on {options.backend}, no access log, no TLS",
    }


def _syncs(run: Run, folder: Path) -> str:
    seen = syncing.seen_syncs(run.server.pid, run.push_one, folder / "syncs")
    return f"{seen} while one blob was pushed"


def _show(
    figures: Figures, programs: Sequence[servers.Program], conditions: dict[str, str]
) -> None:
    facts = {program.title: program.version for program in programs} | conditions
    print("\n".join(f"- {name}: {fact}" for name, fact in facts.items()))
    print(f"\n{table.as_table(figures, programs)}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _plan(options: argparse.Namespace) -> Plan:
    if options.quick:
        loads, seconds = [Load(1, 64 * MIB), Load(options.clients, 8 * MIB)], 1
        memory = Load(options.clients, 16 * MIB)
    else:
        each = 1024 if options.large else options.each
        loads = [Load(1, options.alone * MIB), Load(options.clients, each * MIB)]
        seconds, memory = options.seconds, Load(options.clients, GIB)
    stages = options.stage or [each for each in STAGES if each != "memory" or options.memory]
    styles = options.style or list(transfers.STYLES)
    return Plan(loads, memory, options.connections, seconds, stages, styles, options.small)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="everything at small sizes, in under a minute")
    add("--large", action="store_true", help="1 GiB for each of the clients at once")
    add("--memory", action="store_true", help="also the peak of pushing 1 GiB by each client")
    add("--repeat", type=int, default=1, metavar="N", help="times to do it all (1)")
    add("--json", type=Path, metavar="FILE", help="write every figure there")
    add(
        "--server",
        action="append",
        default=[],
        choices=[servers.OURS, *servers.PEERS],
        help="only this one; may be given again (all that are found)",
    )
    add("--stage", action="append", default=[], choices=STAGES, help="only this one; repeatable")
    add(
        "--backend",
        default=storages.FILESYSTEM,
        choices=storages.BACKENDS,
        help="what to store on (filesystem); others need tests/services/run.py start",
    )
    add(
        "--style",
        action="append",
        default=[],
        choices=transfers.STYLES,
        help="only this way of pushing; repeatable",
    )
    add("--small", type=int, default=200, metavar="N", help="how many small blobs (200)")
    add("--alone", type=int, default=1024, metavar="MIB", help="blob of the one client (1024)")
    add("--each", type=int, default=256, metavar="MIB", help="blob of each of the many (256)")
    add("--clients", type=int, default=8, metavar="N", help="how many the many are (8)")
    add("--connections", type=int, default=16, metavar="N", help="for small requests (16)")
    add("--seconds", type=int, default=5, metavar="S", help="for each small request (5)")
    add("--folder", type=Path, metavar="DIR", help="where to store (the system's temporary one)")
    add("--ours", default="", metavar="COMMAND", help="how entrepot is started")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
