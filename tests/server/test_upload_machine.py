"""Uploads as a state machine: whatever two clients do in turn, the answers are foreseen."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from urllib.parse import quote

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
)
from tests.server.fuzzing import Answer, Application, Request, problems

NAMES = ("a", "b/c")
ALGORITHMS = ("sha256", "sha384", "sha512")
CHUNKS = st.binary(min_size=1, max_size=3) | st.sampled_from([b"x" * 200, bytes(100_000)])
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@dataclass(eq=False)
class Session:
    """An upload as the model sees it, and the Location headers it ever had."""

    name: str
    path: str
    queries: list[str]
    content: bytes = b""
    open: bool = True

    @property
    def range(self) -> str:
        return f"0-{max(0, len(self.content) - 1)}"


def digest_of(content: bytes, algorithm: str) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def joined(query: str, more: str) -> str:
    return f"{query}&{more}" if query else more


def state_of(query: str) -> int | None:
    """The offset that a Location carried, if it is sent along."""
    for pair in query.split("&"):
        if pair.startswith("_state="):
            return int(pair.removeprefix("_state="))
    return None


def candidates(machine: UploadMachine) -> st.SearchStrategy[Session]:
    """An open one mostly, or one that is finished."""
    closed = [session for session in machine.all if not session.open]
    return st.sampled_from([*machine.open, *machine.open, *closed[-1:]])


def begun(machine: UploadMachine) -> bool:
    return bool(machine.all)


def few(machine: UploadMachine) -> bool:
    return len(machine.open) < 3


SESSIONS: st.SearchStrategy[Session] = st.runner().flatmap(candidates)


class UploadMachine(RuleBasedStateMachine):
    def variables(self, folder: str) -> dict[str, str]:
        """REGISTRY_* variables that choose the store."""
        return {}

    def __init__(self) -> None:
        super().__init__()
        self.store = TemporaryDirectory()
        self.application = Application(**self.variables(self.store.name))
        self.application.__enter__()
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.all: list[Session] = []

    @property
    def open(self) -> list[Session]:
        return [session for session in self.all if session.open]

    def teardown(self) -> None:
        for session in self.all:
            self.check_status(session)
        for (name, digest), content in self.blobs.items():
            answer = self.ask("GET", f"/v2/{name}/blobs/{digest}")
            assert (answer.status, answer.body) == (200, content)
        self.application.__exit__()
        self.store.cleanup()

    # -- asking, and what holds for every answer ---------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        pieces: int = 1,
    ) -> Answer:
        request = self.request(method, path, query, body, headers, pieces)
        answer = self.application.ask(request)
        assert not problems(request, answer), (request, answer)
        return answer

    def request(
        self,
        method: str,
        path: str,
        query: str = "",
        body: bytes = b"",
        headers: tuple[tuple[str, str], ...] = (),
        pieces: int = 1,
    ) -> Request:
        size = -(-len(body) // pieces) or 1
        parts = tuple(body[at : at + size] for at in range(0, len(body), size))
        return Request(method, path, query, headers, parts)

    def code(self, answer: Answer) -> str:
        return str(json.loads(answer.body)["errors"][0]["code"])

    def learn(self, session: Session, answer: Answer) -> None:
        """A Location that the client may use from now on, or much later."""
        path, query = answer.location
        assert path == session.path
        assert answer.headers["range"] == session.range
        assert state_of(query) == len(session.content)
        if query not in session.queries[-1:]:
            session.queries.append(query)

    def check_status(self, session: Session) -> None:
        answer = self.ask("GET", session.path, session.queries[-1])
        if session.open:
            assert answer.status == 204
            self.learn(session, answer)
        else:
            self.check_unknown(answer)

    def check_unknown(self, answer: Answer) -> None:
        assert answer.status == 404
        assert self.code(answer) == "BLOB_UPLOAD_UNKNOWN"

    def check_refused(self, session: Session, answer: Answer) -> None:
        assert answer.status == 416
        assert self.code(answer) == "RANGE_INVALID"
        self.learn(session, answer)

    # -- beginning ---------------------------------------------------------------------------

    @precondition(few)
    @rule(name=st.sampled_from(NAMES), algorithm=st.sampled_from(("", *ALGORITHMS)))
    def start(self, name: str, algorithm: str) -> None:
        query = f"digest-algorithm={algorithm}" if algorithm else ""
        self.started(name, self.ask("POST", f"/v2/{name}/blobs/uploads/", query))

    def started(self, name: str, answer: Answer) -> None:
        assert answer.status == 202
        path, query = answer.location
        session = Session(name, path, [query])
        assert path.startswith(f"/v2/{name}/blobs/uploads/")
        assert answer.headers["range"] == "0-0"
        self.all.append(session)

    @rule(
        name=st.sampled_from(NAMES),
        content=CHUNKS | st.just(b""),
        algorithm=st.sampled_from(ALGORITHMS),
        right=st.booleans(),
    )
    def post_whole(self, name: str, content: bytes, algorithm: str, *, right: bool) -> None:
        digest = digest_of(content if right else content + b"!", algorithm)
        answer = self.ask("POST", f"/v2/{name}/blobs/uploads/", f"digest={digest}", content)
        if right:
            self.created(name, digest, content, answer)
        else:
            assert (answer.status, self.code(answer)) == (400, "DIGEST_INVALID")

    @rule(
        name=st.sampled_from(NAMES),
        data=st.data(),
        source=st.sampled_from((*NAMES, "")),
    )
    def mount(self, name: str, data: st.DataObject, source: str) -> None:
        known = sorted({digest for _, digest in self.blobs}) or [digest_of(b"never", "sha256")]
        digest = data.draw(st.sampled_from(known))
        query = f"mount={digest}" + (f"&from={quote(source, safe='')}" if source else "")
        answer = self.ask("POST", f"/v2/{name}/blobs/uploads/", query)
        there = [content for (_, d), content in self.blobs.items() if d == digest]
        linked = (source, digest) in self.blobs if source else bool(there)
        if linked:
            self.created(name, digest, there[0], answer)
        else:
            self.started(name, answer)

    def created(self, name: str, digest: str, content: bytes, answer: Answer) -> None:
        assert answer.status == 201
        assert answer.headers["docker-content-digest"] == digest
        assert answer.location == (f"/v2/{name}/blobs/{digest}", "")
        self.blobs[name, digest] = content

    # -- going on ----------------------------------------------------------------------------

    @precondition(begun)
    @rule(session=SESSIONS, chunk=CHUNKS | st.just(b""), age=st.integers(0, 3), data=st.data())
    def patch(self, session: Session, chunk: bytes, age: int, data: st.DataObject) -> None:
        """With the newest Location or with one that is stale."""
        query = session.queries[max(-1 - age, -len(session.queries))]
        pieces = data.draw(st.integers(1, 4))
        answer = self.ask("PATCH", session.path, query, chunk, pieces=pieces)
        self.appended(session, chunk, state_of(query), answer)

    @precondition(begun)
    @rule(session=SESSIONS, chunk=CHUNKS)
    def patch_without_state(self, session: Session, chunk: bytes) -> None:
        answer = self.ask("PATCH", session.path, "", chunk)
        self.appended(session, chunk, None, answer)

    @precondition(begun)
    @rule(session=SESSIONS, chunk=CHUNKS, shift=st.sampled_from((0, 0, 0, -1, 1, -200, 10**15)))
    def patch_with_range(self, session: Session, chunk: bytes, shift: int) -> None:
        """At the end, overlapping or behind a gap; the header wins over a stale Location."""
        start = max(0, len(session.content) + shift)
        header = ("Content-Range", f"{start}-{start + len(chunk) - 1}")
        answer = self.ask("PATCH", session.path, session.queries[0], chunk, (header,))
        self.appended(session, chunk, start, answer)

    @precondition(begun)
    @rule(session=SESSIONS, chunk=CHUNKS, error=st.sampled_from((-1, 1)), framed=st.booleans())
    def patch_with_range_of_another_length(
        self, session: Session, chunk: bytes, error: int, *, framed: bool
    ) -> None:
        """Announced, it is refused at once; chunked, when the body turns out to be wrong."""
        start = len(session.content)
        span = f"{start}-{start + len(chunk) + error - 1}"
        headers = [("Content-Range", span)]
        if framed:
            headers.append(("Transfer-Encoding", "chunked"))
        answer = self.ask("PATCH", session.path, session.queries[-1], chunk, tuple(headers))
        if not session.open:
            self.check_unknown(answer)
            return
        assert (answer.status, self.code(answer)) == (400, "SIZE_INVALID")
        self.catch_up(session, chunk)

    def catch_up(self, session: Session, chunk: bytes) -> None:
        """Of a chunk that was refused midway, a part may have been kept."""
        answer = self.ask("GET", session.path)
        assert answer.status == 204
        size = state_of(answer.location[1])
        assert size is not None
        held = size - len(session.content)
        assert 0 <= held <= len(chunk)
        session.content += chunk[:held]
        self.learn(session, answer)

    def appended(self, session: Session, chunk: bytes, offset: int | None, answer: Answer) -> None:
        if not session.open:
            self.check_unknown(answer)
        elif offset is not None and offset != len(session.content):
            self.check_refused(session, answer)
        else:
            assert answer.status == 202
            session.content += chunk
            self.learn(session, answer)

    @precondition(begun)
    @rule(session=SESSIONS, one=CHUNKS, two=CHUNKS)
    def patch_twice_at_once(self, session: Session, one: bytes, two: bytes) -> None:
        """Two clients at the same place: one of them wins."""
        query = session.queries[-1]
        fits = state_of(query) == len(session.content)
        answers = self.application.ask_together(
            self.request("PATCH", session.path, query, one, pieces=2),
            self.request("PATCH", session.path, query, two, pieces=2),
        )
        statuses = sorted(answer.status for answer in answers)
        if not session.open:
            assert statuses == [404, 404]
        elif not fits:
            assert statuses == [416, 416]
        else:
            assert statuses == [202, 416]
            session.content += one if answers[0].status == 202 else two
            self.learn(session, self.ask("GET", session.path))

    # -- ending ------------------------------------------------------------------------------

    @precondition(begun)
    @rule(
        session=SESSIONS,
        last=CHUNKS | st.just(b""),
        algorithm=st.sampled_from(ALGORITHMS),
        age=st.integers(0, 1),
    )
    def finish(self, session: Session, last: bytes, algorithm: str, age: int) -> None:
        """The Location's offset counts when there is a body to put there."""
        query = session.queries[max(-1 - age, -len(session.queries))]
        digest = digest_of(session.content + last, algorithm)
        answer = self.ask("PUT", session.path, joined(query, f"digest={digest}"), last)
        if not session.open:
            self.check_unknown(answer)
        elif last and state_of(query) != len(session.content):
            self.check_refused(session, answer)
        else:
            self.created(session.name, digest, session.content + last, answer)
            session.open = False

    @precondition(begun)
    @rule(session=SESSIONS, last=CHUNKS | st.just(b""), algorithm=st.sampled_from(ALGORITHMS))
    def finish_with_a_wrong_digest(self, session: Session, last: bytes, algorithm: str) -> None:
        digest = digest_of(session.content + last + b"!", algorithm)
        answer = self.ask("PUT", session.path, f"digest={digest}", last)
        if not session.open:
            self.check_unknown(answer)
            return
        assert (answer.status, self.code(answer)) == (400, "DIGEST_INVALID")
        session.open = False

    @precondition(begun)
    @rule(session=SESSIONS, chunk=CHUNKS, shift=st.sampled_from((-1, 1, 10**9)))
    def finish_out_of_order(self, session: Session, chunk: bytes, shift: int) -> None:
        start = len(session.content) + shift
        digest = digest_of(session.content + chunk, "sha256")
        headers = (("Content-Range", f"{max(0, start)}-{max(0, start) + len(chunk) - 1}"),)
        answer = self.ask("PUT", session.path, f"digest={digest}", chunk, headers)
        if not session.open:
            self.check_unknown(answer)
        elif start >= 0:
            self.check_refused(session, answer)
        else:  # it was the beginning after all
            self.created(session.name, digest, chunk, answer)
            session.open = False

    @precondition(begun)
    @rule(session=SESSIONS, digest=st.sampled_from(["", "digest=", "digest=x", "digest=md5:0"]))
    def finish_without_a_digest(self, session: Session, digest: str) -> None:
        answer = self.ask("PUT", session.path, digest)

        assert (answer.status, self.code(answer)) == (400, "DIGEST_INVALID")

    @precondition(begun)
    @rule(session=SESSIONS)
    def cancel(self, session: Session) -> None:
        answer = self.ask("DELETE", session.path, session.queries[-1])
        if not session.open:
            self.check_unknown(answer)
        assert answer.status in {204, 404}
        session.open = False

    # -- looking -----------------------------------------------------------------------------

    @precondition(begun)
    @rule(session=SESSIONS)
    def status(self, session: Session) -> None:
        self.check_status(session)

    @precondition(begun)
    @rule(session=SESSIONS, name=st.sampled_from(NAMES))
    def status_in_another_repository(self, session: Session, name: str) -> None:
        path = session.path.replace(f"/v2/{session.name}/", f"/v2/{name}/")
        if name != session.name:
            self.check_unknown(self.ask("GET", path, session.queries[-1]))

    @precondition(lambda self: self.blobs)
    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        (name, digest), content = data.draw(st.sampled_from(sorted(self.blobs.items())))
        answer = self.ask("GET", f"/v2/{name}/blobs/{digest}")

        assert (answer.status, answer.body) == (200, content)


class FilesystemUploadMachine(UploadMachine):
    def variables(self, folder: str) -> dict[str, str]:
        return {"STORAGE": "filesystem", "STORAGE_FILESYSTEM_ROOTDIRECTORY": folder}


TestUploadsInMemory = UploadMachine.TestCase
TestUploadsInMemory.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestUploadsOnDisk = FilesystemUploadMachine.TestCase
TestUploadsOnDisk.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
