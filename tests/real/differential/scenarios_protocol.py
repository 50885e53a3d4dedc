"""Requests about routes, uploads and the URLs that answers lead to."""

from __future__ import annotations

import base64

from tests.real.differential.content import (
    BLOB,
    OCI,
    encoded,
    manifest,
    push_blob,
    push_manifest,
)
from tests.real.differential.playing import Play
from tests.real.registry import hexadecimal

__all__ = ["addresses", "login", "readonly", "routes", "uploads"]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
DIGEST = hexadecimal(BLOB)
NOBODY = "00000000-0000-0000-0000-000000000000"


def routes(play: Play) -> None:
    """Every route with every method, and paths that are none."""
    push_manifest(play, "r", "1", manifest())
    paths = {
        "base": "",
        "catalogue": "_catalog",
        "tags": "r/tags/list",
        "manifest": "r/manifests/none",
        "blob": "r/blobs/sha256:" + "1" * 64,
        "upload": f"r/blobs/uploads/{NOBODY}",
    }
    for name, path in paths.items():
        for method in METHODS:
            play(f"{name}-{method}", method, play.under(path))
    for method in METHODS:
        play(f"uploads-{method}", method, play.under("r/blobs/uploads/"))
        play(f"alive-{method}", method, "/")
    for name, path in {
        "no-such-endpoint": "r/nothing", "v1": "../v1/_ping", "elsewhere": "../favicon.ico",
        "name-in-capitals": "R/tags/list", "name-with-dots": "a..b/tags/list",
        "name-with-dash-in-front": "-a/tags/list", "name-too-long": f"{'a' * 256}/tags/list",
        "name-of-parts-too-long": f"{'/'.join(['a' * 60] * 5)}/tags/list",
        "tag-with-dot-in-front": "r/manifests/.a", "tag-too-long": f"r/manifests/{'a' * 129}",
        "tag-longest": f"r/manifests/{'a' * 128}", "base-without-slash": "../v2",
        "tags-with-slash": "r/tags/list/", "catalogue-with-slash": "_catalog/",
        "manifest-with-slash": "r/manifests/1/", "double-slash": "r//tags/list",
        "encoded-slash": "r%2Fa/tags/list", "encoded-letter": "%72/tags/list",
        "referrers": f"r/referrers/{DIGEST}",
    }.items():  # fmt: skip
        at = play.under("") + path if not path.startswith("../") else f"{play.prefix}/{path[3:]}"
        play(name, "GET", at)
    play("uploads-without-slash", "POST", play.under("r/blobs/uploads"))


def uploads(play: Play) -> None:
    """Uploads: whole, in pieces, wrong in every way, given up, mounted."""
    start = play.under("u/blobs/uploads/")
    begun = play("start", "POST", start)
    play("status", "GET", begun.location)
    half = len(BLOB) // 2
    typed = [("Content-Type", "application/octet-stream")]
    went = play("patch", "PATCH", begun.location, typed, BLOB[:half])
    play("status-half", "GET", went.location)
    rest = [*typed, ("Content-Range", f"{half}-{len(BLOB) - 1}")]
    went = play("patch-second-half", "PATCH", went.location, rest, BLOB[half:])
    play("finish", "PUT", f"{went.location}{_also(went.location)}digest={DIGEST}")
    play("finished", "HEAD", play.under(f"u/blobs/{DIGEST}"))
    play("status-finished", "GET", went.location)

    begun = play("", "POST", start, told=False)
    first = [*typed, ("Content-Range", f"0-{half - 1}")]
    went = play("", "PATCH", begun.location, first, BLOB[:half], told=False)
    play("patch-same-half-again", "PATCH", went.location, first, BLOB[:half])

    for name, query, content in (
        ("whole", f"digest={DIGEST}", BLOB),
        ("digest-wrong", f"digest=sha256:{'0' * 64}", BLOB),
        ("digest-missing", "", BLOB),
        ("digest-nonsense", "digest=abc", BLOB),
        ("digest-unsupported", f"digest=md5:{'0' * 32}", BLOB),
        ("empty-blob", f"digest={hexadecimal(b'')}", b""),
        ("sha512", f"digest={hexadecimal(BLOB, 'sha512')}", BLOB),
    ):
        at = play("", "POST", start, told=False).location
        play(f"put-{name}", "PUT", f"{at}{_also(at)}{query}", body=content)
    for name, headers in {
        "type-other": [("Content-Type", "text/plain")],
        "type-none": [],
        "range-gap": [*typed, ("Content-Range", "10-1033")],
        "range-backwards": [*typed, ("Content-Range", "9-0")],
        "range-length": [*typed, ("Content-Range", "0-9")],
        "range-nonsense": [*typed, ("Content-Range", "a-b")],
        "range-bytes": [*typed, ("Content-Range", "bytes 0-1023/*")],
    }.items():
        at = play("", "POST", start, told=False).location
        play(f"patch-{name}", "PATCH", at, headers, BLOB)

    begun = play("", "POST", start, told=False)
    bare = begun.location.partition("?")[0]
    play("without-state", "PATCH", bare, typed, BLOB)
    play("state-garbled", "PATCH", f"{bare}?_state=abc", typed, BLOB)
    begun = play("", "POST", start, told=False)
    play("give-up", "DELETE", begun.location)
    play("given-up", "GET", begun.location)
    play("give-up-again", "DELETE", begun.location)
    play(
        "put-given-up", "PUT", f"{begun.location}{_also(begun.location)}digest={DIGEST}", body=BLOB
    )

    push_blob(play, "u/from")
    play("mount", "POST", play.under(f"u/to/blobs/uploads/?mount={DIGEST}&from=u/from"))
    play("mounted", "HEAD", play.under(f"u/to/blobs/{DIGEST}"))
    play("mount-unknown", "POST", play.under(
        f"u/to/blobs/uploads/?mount=sha256:{'0' * 64}&from=u/from"))  # fmt: skip
    play("mount-from-unknown", "POST", play.under(
        f"u/other/blobs/uploads/?mount={DIGEST}&from=none"))  # fmt: skip
    play("mount-from-nonsense", "POST", play.under(
        f"u/other/blobs/uploads/?mount={DIGEST}&from=NONE"))  # fmt: skip
    play("mount-digest-nonsense", "POST", play.under("u/to/blobs/uploads/?mount=abc&from=u/from"))
    play("mount-without-from", "POST", play.under(f"u/two/blobs/uploads/?mount={DIGEST}"))
    play("post-with-digest", "POST", f"{start}?digest={DIGEST}", typed, BLOB)


def addresses(play: Play) -> None:
    """What Location and Link say, with and without a proxy in front."""
    push_manifest(play, "h", "1", manifest())
    push_manifest(play, "h", "2", manifest())
    content = encoded(manifest())
    proxies: dict[str, list[tuple[str, str]]] = {
        "plain": [],
        "proto": [("X-Forwarded-Proto", "https")],
        "host": [("X-Forwarded-Host", "registry.example.com")],
        "both": [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "registry.example.com")],
        "hosts": [("X-Forwarded-Host", "one.example.com, two.example.com")],
        "port": [("X-Forwarded-Host", "a.example.com"), ("X-Forwarded-Port", "8443")],
        "forwarded": [("Forwarded", "for=1.2.3.4; host=a.example.com; proto=https")],
        "forwarded-quoted": [("Forwarded", 'host="a.example.com:8443";proto=https')],
        "forwarded-two": [("Forwarded", "proto=https;host=a.example.com, host=b.example.com")],
        "forwarded-first": [("Forwarded", "proto=https"), ("X-Forwarded-Proto", "http")],
        "forwarded-garbage": [("Forwarded", "garbage"), ("X-Forwarded-Proto", "https")],
    }
    for name, headers in proxies.items():
        play(f"upload-{name}", "POST", play.under("h/blobs/uploads/"), headers)
        typed = [*headers, ("Content-Type", OCI)]
        play(f"manifest-{name}", "PUT", play.under("h/manifests/1"), typed, content)
    at = play("", "POST", play.under("h/blobs/uploads/"), told=False).location
    play("blob", "PUT", f"{at}{_also(at)}digest={DIGEST}", body=BLOB)
    play("tags", "GET", play.under("h/tags/list?n=1"))
    play("catalogue", "GET", play.under("_catalog?n=1"))
    play("base", "GET", play.under(""))
    play("nowhere", "GET", play.under("h/nothing"))
    play("unprefixed", "GET", "/v2/")
    play("alive", "GET", "/")


def login(play: Play) -> None:
    """What those are told who do not say who they are, or not rightly."""
    right = _basic("user", "secret")
    for name, headers in {
        "nobody": [],
        "right": [right],
        "wrong": [_basic("user", "wrong")],
        "unknown": [_basic("nobody", "secret")],
        "garbled": [("Authorization", "Basic !")],
        "bearer": [("Authorization", "Bearer abc")],
        "empty": [("Authorization", "")],
    }.items():
        play(f"base-{name}", "GET", play.under(""), headers)
    play("pull", "GET", play.under("a/manifests/1"))
    play("push", "PUT", play.under("a/manifests/1"), [("Content-Type", OCI)], b"{}")
    play("upload", "POST", play.under("a/blobs/uploads/"))
    play("mount", "POST", play.under(f"a/blobs/uploads/?mount={DIGEST}&from=b"))
    play("delete", "DELETE", play.under(f"a/blobs/{DIGEST}"))
    play("catalogue", "GET", play.under("_catalog"))
    play("tags-right", "GET", play.under("a/tags/list"), [right])
    play("catalogue-right", "GET", play.under("_catalog"), [right])
    play("nowhere", "GET", play.under("a/nothing"))
    play("alive", "GET", "/")


def readonly(play: Play) -> None:
    """What a registry says that takes nothing."""
    typed = [("Content-Type", OCI)]
    play("base", "GET", play.under(""))
    play("catalogue", "GET", play.under("_catalog"))
    play("manifest", "GET", play.under("r/manifests/1"))
    play("manifest-put", "PUT", play.under("r/manifests/1"), typed, encoded(manifest()))
    play("manifest-delete", "DELETE", play.under(f"r/manifests/{DIGEST}"))
    play("blob", "GET", play.under(f"r/blobs/{DIGEST}"))
    play("blob-delete", "DELETE", play.under(f"r/blobs/{DIGEST}"))
    play("upload", "POST", play.under("r/blobs/uploads/"))
    play("upload-status", "GET", play.under(f"r/blobs/uploads/{NOBODY}"))
    play("upload-delete", "DELETE", play.under(f"r/blobs/uploads/{NOBODY}"))
    play("upload-patch", "PATCH", play.under(f"r/blobs/uploads/{NOBODY}"), [], BLOB)
    play("upload-put", "PUT", play.under(f"r/blobs/uploads/{NOBODY}?digest={DIGEST}"), [], BLOB)


def _also(path: str) -> str:
    """What a further parameter begins with."""
    return "&" if "?" in path else "?"


def _basic(user: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
