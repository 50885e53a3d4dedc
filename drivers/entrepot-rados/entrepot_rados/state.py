"""What is kept of an upload: one object, changed only by who knows what it was before.

It holds up to a mebibyte itself, the beginning; what comes behind lies in runs of chunks. The
sizes are in its omap and are moved on when bytes are in the pool. So two appends never mix: each
writes chunks of its own, and one of them finds the sizes changed.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from typing import Any

from entrepot_rados.head import INLINE, Run, new_id
from entrepot_rados.objects import Change, Objects, is_changed
from entrepot_rados.places import upload

_STATE = "state"
_RUN = "run "


@dataclass(frozen=True, slots=True)
class State:
    generation: str
    size: int = 0
    held: int = 0  # bytes that the object holds itself
    target: str = ""  # the key that it is being committed to
    aborted: bool = False
    since: float = 0.0  # when it began, or its commit did
    runs: tuple[Run, ...] = ()  # also those of appends that came to nothing

    @property
    def told(self) -> str:
        """As it is in the omap; runs have values of their own there."""
        said: dict[str, Any] = {"generation": self.generation, "size": self.size}
        said |= {"held": self.held, "target": self.target, "aborted": self.aborted}
        return json.dumps(said | {"since": self.since})

    @property
    def whole(self) -> list[Run]:
        """What it consists of behind what is held."""
        return [run for run in self.runs if run.size]


class States:
    """The uploads of a pool. Blocking. A change that came too late is an `is_changed` error."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def find(self, token: str) -> State | None:
        try:
            omap = self._objects.omap(upload(token))
        except FileNotFoundError:
            return None
        said = json.loads(omap[_STATE])
        runs = [
            Run(key.removeprefix(_RUN), *json.loads(value))
            for key, value in sorted(omap.items())
            if key.startswith(_RUN)
        ]
        return State(**said, runs=tuple(runs))

    def begin(self, token: str, body: bytes) -> State:
        """Raises FileExistsError: if somebody was faster."""
        state = State(new_id(), len(body), len(body), since=time.time())
        change = Change(create=True, content=body, puts={_STATE: state.told})
        self._objects.change(upload(token), change)
        return state

    def hold(self, token: str, state: State, body: bytes) -> State:
        """Append to what the object holds itself."""
        size = state.size + len(body)
        new = replace(state, size=size, held=size)
        self._change(token, state, new, added=body, offset=state.size)
        return new

    def open_run(self, token: str, state: State, chunk: int) -> tuple[State, Run]:
        """A run at the end, with nothing in it yet."""
        run = Run(f"{state.size:020d}-{new_id()[:12]}", 0, chunk)
        new = replace(state, runs=(*state.runs, run))
        self._change(token, state, new, run=run)
        return new, run

    def grow(self, token: str, state: State, run: Run) -> State:
        """The last run has become so long."""
        *others, last = state.runs
        new = replace(state, size=state.size + run.size - last.size, runs=(*others, run))
        self._change(token, state, new, run=run)
        return new

    def claim(self, token: str, state: State, target: str) -> State:
        new = replace(state, target=target, since=time.time())
        self._change(token, state, new)
        return new

    def give_up(self, token: str, state: State) -> State:
        new = replace(state, aborted=True)
        self._change(token, state, new)
        return new

    def held(self, token: str, state: State) -> bytes:
        return self._objects.read(upload(token), state.held) if state.held else b""

    def forget(self, token: str, state: State) -> None:
        """The end of it, unless somebody else came to it first."""
        change = Change(expected={_STATE: state.told}, remove=True)
        try:
            self._objects.change(upload(token), change)
        except OSError as error:
            if not is_changed(error):
                raise

    def _change(
        self,
        token: str,
        old: State,
        new: State,
        *,
        run: Run | None = None,
        added: bytes = b"",
        offset: int = 0,
    ) -> None:
        puts = {_STATE: new.told}
        if run is not None:
            puts[f"{_RUN}{run.name}"] = json.dumps([run.size, run.chunk])
        expected = {_STATE: old.told}
        change = Change(expected=expected, puts=puts, added=added, offset=offset)
        self._objects.change(upload(token), change)


def room(state: State | None) -> int:
    """How many bytes more the object of an upload can hold itself."""
    if state is None:
        return INLINE
    return 0 if state.whole else INLINE - state.held
