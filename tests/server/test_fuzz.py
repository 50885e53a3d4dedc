"""Whatever is asked: never a 5xx, and every refusal is the specification's document."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.server.fuzzing import Application, Request, problems

from entrepot.core.manifest import LIMIT, MEDIA_TYPES, OCI_INDEX, OCI_MANIFEST

CONTENT = b"a blob that is there"
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
IMAGE = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.test+json", "digest": DIGEST, "size": 20},
        "layers": [],
    }
).encode()
IMAGE_DIGEST = "sha256:" + hashlib.sha256(IMAGE).hexdigest()
UPLOAD = "00000000-0000-4000-8000-000000000000"

# -- paths -----------------------------------------------------------------------------------

WORDS = [
    *("a", "b", "v2", "blobs", "uploads", "manifests", "tags", "list", "referrers", "_catalog"),
    *("_uploads", "_layers", "_manifests", "link", "..", ".", "", "...", "a..b", "A", "-a", "a-"),
    *("a__b", "a___b", "x" * 255, "x" * 256, "y" * 5000, "t" * 128, "t" * 129, "\0", "a\0", "ä"),
    *("٣", "\ufffd", "\U0001f4a9", "%2e%2e", "%00", " ", "a b", "a\nb", "\r\n", "\\", ":", "@"),
    *(DIGEST, IMAGE_DIGEST, DIGEST.upper(), "sha256:", "sha256:" + "f" * 64, "sha512:" + "0" * 128),
    *("md5:0", "sha256:../../x", UPLOAD, UPLOAD.replace("-", ""), "{" + UPLOAD + "}", "latest"),
]
USUAL = ["latest", DIGEST, IMAGE_DIGEST, UPLOAD]
SEGMENTS = (
    st.sampled_from(USUAL)
    | st.sampled_from(WORDS)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
NAMES = st.sampled_from(["a", "a", "a", "missing"]) | st.lists(SEGMENTS, max_size=4).map("/".join)
COMMON = [
    *("/v2/{name}/manifests/{last}", "/v2/{name}/blobs/{last}", "/v2/{name}/referrers/{last}"),
    *("/v2/{name}/blobs/uploads/{last}", "/v2/{name}/tags/list", "/v2/{name}/blobs/uploads/"),
]
ODD_ONES = [
    *("/v2/", "/v2", "/v2/_catalog", "/v2/{name}/blobs/uploads", "/v2/{name}/{last}", "/{name}"),
    *("/v2//{name}/tags/list", "/v2/{name}/manifests/{last}/", "//v2/{name}", "*"),
]
ENDPOINTS = st.sampled_from(COMMON * 3 + ODD_ONES)


def path(form: str, name: str, last: str) -> str:
    return form.format(name=name, last=last)


PATHS = st.builds(path, ENDPOINTS, NAMES, SEGMENTS)
METHODS = st.sampled_from(
    [*("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE") * 3, "OPTIONS", "TRACE", "get", "FOO", ""]
)

# -- queries and headers ---------------------------------------------------------------------

KEYS = [
    *("n", "last", "digest", "mount", "from", "tag", "artifactType", "_state", "digest-algorithm"),
    *("ns", "N", "", "ä", "n[]"),
]
NUMBERS = ["0", "1", "-1", "00", "1e3", "99999999999999999999", "9" * 5000, "٣", " 1", "+1", "0x1"]
VALUES = SEGMENTS | st.sampled_from([*NUMBERS, "a/b", "../../../etc/passwd", "sha256", "md5", "*"])


def pair(key: str, value: str, *, encode: bool) -> str:
    return f"{quote(key)}={quote(value)}" if encode else f"{key}={value}"


PAIRS = st.builds(pair, st.sampled_from(KEYS), VALUES, encode=st.booleans())
JUNK = st.sampled_from(
    ["&&&", "=", "n", "%", "%zz", "%ff=%fe", "a=b;c=d", "x&" * 200, "q" * 60_000]
)
QUERIES = st.lists(PAIRS | JUNK, max_size=4).map("&".join)

RANGES = [
    *("bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=999-", "bytes=0-1,4-5"),
    *("bytes=0-0,0-0,0-0", "bytes=", "bytes", "bytes=a-b", "lines=0-1", "bytes=0-" + "9" * 50),
    *(
        "bytes=" + "0-1," * 5000,
        "bytes=" + "9" * 5000 + "-",
        "bytes=٣-٤".encode().decode("latin-1"),
    ),
]
SPANS = [
    "0-0",
    "0-19",
    "5-1",
    "1-",
    "-",
    "0-" + "9" * 30,
    "bytes 0-19/20",
    "bytes */*",
    "0-19 ",
    "x",
]
TYPES = [*MEDIA_TYPES, "", "text/html", "application/json; charset=utf-8", ";", "x" * 9000, "\xff"]
TAGS = ["*", f'"{DIGEST}"', f'W/"{DIGEST}"', DIGEST, '""', ",", '"' * 1000, "\xe4", IMAGE_DIGEST]
HEADERS = st.lists(
    st.one_of(
        st.tuples(st.just("Range"), st.sampled_from(RANGES)),
        st.tuples(st.just("Content-Range"), st.sampled_from(SPANS)),
        st.tuples(st.just("Content-Type"), st.sampled_from(TYPES)),
        st.tuples(st.just("Accept"), st.sampled_from([*TYPES, "*/*"])),
        st.tuples(st.sampled_from(["If-None-Match", "If-Range"]), st.sampled_from(TAGS)),
        st.tuples(st.just("Host"), st.sampled_from(["", "a:b", "\xff", "evil\r\nX: y", "[::1]:5"])),
        st.tuples(st.just("X-Forwarded-Proto"), st.sampled_from(["https", "gopher", ""])),
        st.tuples(st.just("Forwarded"), st.sampled_from(['host="x"', ";=;", 'a="', "proto=https"])),
    ),
    max_size=4,
).map(tuple)

# -- bodies ----------------------------------------------------------------------------------


def nested(depth: int, opening: str, closing: str) -> bytes:
    return (opening * depth + closing * depth).encode()


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS | st.sampled_from([DIGEST, OCI_INDEX, OCI_MANIFEST, 2, -1, 10**400]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": SCALARS | st.just(OCI_MANIFEST),
        "digest": st.sampled_from([DIGEST, IMAGE_DIGEST, "sha256:x", "", "sha512:" + "0" * 128])
        | JSON,
        "size": st.sampled_from([0, 20, -1, 10**400, 1.5]) | JSON,
        "urls": JSON | st.lists(st.text(max_size=3)),
        "annotations": JSON,
    },
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([2, 2, 2, 1, "2", 2.0, None]),
        "mediaType": st.sampled_from([*MEDIA_TYPES]) | JSON,
        "config": DESCRIPTORS | JSON,
        "layers": st.lists(DESCRIPTORS | JSON, max_size=3) | JSON,
        "manifests": st.lists(DESCRIPTORS | JSON, max_size=3) | JSON,
        "subject": DESCRIPTORS | JSON,
        "artifactType": JSON,
        "annotations": st.dictionaries(st.text(max_size=3), JSON, max_size=2) | JSON,
    },
)
BASES: list[dict[str, object]] = [
    json.loads(IMAGE),
    {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []},
]


def manifest(base: dict[str, object], changes: dict[str, object], dropped: set[str]) -> bytes:
    document = base | changes
    return json.dumps({key: document[key] for key in document if key not in dropped}).encode()


MANIFESTS = st.builds(
    manifest,
    st.sampled_from(BASES),
    CHANGES,
    st.sets(st.sampled_from(["mediaType", "config", "layers", "subject", "manifests"]), max_size=3),
)
ODD_BODIES = [
    *(b"", b"{", b"\xff\xfe", b"\0" * 100, b"null", b"[]", b"7", b'"x"', b"{}" * 3, IMAGE, CONTENT),
    *(
        nested(10**5, "[", "]"),
        nested(10**5, '{"a":', "}"),
        b'{"schemaVersion":2,"a":' + b"9" * 9999,
    ),
    *(b'{"a":1,"a":2}', b'{"schemaVersion":NaN}', b'{"mediaType":"\\ud800"}', b"\xef\xbb\xbf{}"),
    b"[" + b'{"mediaType":"x","digest":"y","size":1},' * 1000 + b"{}]",
]
BODIES = st.sampled_from(ODD_BODIES) | MANIFESTS | st.binary(max_size=30)
PIECES = st.lists(BODIES, max_size=2).map(tuple) | BODIES.map(lambda body: (body,))
REQUESTS = st.builds(
    Request, METHODS, PATHS, QUERIES, HEADERS, PIECES, st.sampled_from([False] * 9 + [True])
)


@pytest.fixture(scope="module", params=["inmemory", "filesystem"])
def application(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Application, None, None]:
    folder: Path = tmp_path_factory.mktemp("store")
    variables = {"STORAGE": request.param}
    if request.param == "filesystem":
        variables["STORAGE_FILESYSTEM_ROOTDIRECTORY"] = str(folder / "root")
    with Application(**variables) as application:
        fill(application)
        yield application
    assert [each.name for each in folder.iterdir()] in ([], ["root"]), "nothing beside the root"


def fill(application: Application) -> None:
    """Repositories with something to be found; what is in `a` may be deleted again."""
    for name in ("a", "fuzz", "kept"):
        blob = Request("POST", f"/v2/{name}/blobs/uploads/", f"digest={DIGEST}", (), (CONTENT,))
        assert application.ask(blob).status == 201
        image = Request("PUT", f"/v2/{name}/manifests/latest", "", (), (IMAGE,))
        assert application.ask(image).status == 201


def check(application: Application, request: Request) -> None:
    answer = application.ask(request)
    found = problems(request, answer)
    assert not found, f"{found}: {answer}"


FUZZ = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@settings(FUZZ, max_examples=500)
@given(request=REQUESTS)
def test_any_request(application: Application, request: Request) -> None:
    check(application, request)


@settings(FUZZ, max_examples=250)
@given(
    content=MANIFESTS | st.sampled_from(ODD_BODIES),
    reference=st.sampled_from(["t", IMAGE_DIGEST, DIGEST]),
    headers=st.sampled_from([(), *((("Content-Type", kind),) for kind in TYPES)]),
)
def test_any_manifest(
    application: Application, content: bytes, reference: str, headers: tuple[tuple[str, str], ...]
) -> None:
    check(application, Request("PUT", f"/v2/fuzz/manifests/{reference}", "", headers, (content,)))
    check(application, Request("GET", f"/v2/fuzz/manifests/{reference}"))
    check(application, Request("GET", "/v2/fuzz/tags/list"))


@settings(FUZZ, max_examples=200)
@given(
    path=st.sampled_from(
        ["/v2/_catalog", "/v2/kept/tags/list", f"/v2/kept/referrers/{IMAGE_DIGEST}"]
    ),
    value=VALUES | st.lists(SEGMENTS, max_size=4).map("/".join),
    number=st.sampled_from(["", "&n=1", "&n=0", "&n=1000"]),
)
def test_any_place_to_go_on_from(
    application: Application, path: str, value: str, number: str
) -> None:
    check(application, Request("GET", path, f"last={quote(value, safe='')}{number}"))


@settings(FUZZ, max_examples=150)
@given(range_=st.sampled_from(RANGES) | st.text("bytes=0123456789-, ", max_size=20))
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_any_range(application: Application, method: str, range_: str) -> None:
    path = f"/v2/kept/blobs/{DIGEST}"
    request = Request(method, path, "", (("Range", range_),))

    check(application, request)

    assert application.ask(request).status in {200, 206, 416}


@pytest.mark.parametrize("size", [LIMIT, LIMIT + 1])
@pytest.mark.parametrize("length", [(), (("Transfer-Encoding", "chunked"),)])
def test_manifest_at_the_limit_of_its_size(
    application: Application, size: int, length: tuple[tuple[str, str], ...]
) -> None:
    content = IMAGE + b" " * (size - len(IMAGE))
    request = Request("PUT", "/v2/kept/manifests/large", "", length, (content[:99], content[99:]))

    answer = application.ask(request)

    assert not problems(request, answer)
    assert answer.status == (201 if size == LIMIT else 413)
