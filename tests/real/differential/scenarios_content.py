"""Requests about manifests, blobs and tags."""

from __future__ import annotations

from tests.real.differential.content import (
    BLOB,
    CONFIG,
    DOCKER,
    DOCKER_LIST,
    INDEX,
    OCI,
    docker_list,
    docker_manifest,
    encoded,
    index,
    manifest,
    push_blob,
    push_manifest,
)
from tests.real.differential.playing import Play
from tests.real.registry import hexadecimal

__all__ = ["blobs", "deletes", "listings", "manifests", "pushed_manifests"]

NOWHERE = "sha256:" + "0" * 64


def manifests(play: Play) -> None:
    """Every kind of manifest with every kind of Accept."""
    oci, docker = manifest(), docker_manifest()
    digest = push_manifest(play, "m", "oci", oci)
    push_manifest(play, "m", "docker", docker, DOCKER)
    push_manifest(play, "m", "index", index(encoded(oci)), INDEX)
    push_manifest(play, "m", "list", docker_list(encoded(docker)), DOCKER_LIST)
    everything = f"{OCI}, {INDEX}, {DOCKER}, {DOCKER_LIST}"
    accepts = {
        "all": everything,
        "own": "",
        "none": None,
        "any": "*/*",
        "with-q": f"{OCI};q=0.5, {INDEX};q=0.1, {DOCKER}, {DOCKER_LIST}",
        "docker": DOCKER,
        "html": "text/html",
    }
    for kind, own in {"oci": OCI, "docker": DOCKER, "index": INDEX, "list": DOCKER_LIST}.items():
        for name, accept in accepts.items():
            headers = [("Accept", accept or own)] if accept is not None else []
            for method in ("GET", "HEAD"):
                path = play.under(f"m/manifests/{kind}")
                play(f"{method}-{kind}-accept-{name}", method, path, headers)
    accepted = ("Accept", everything)
    by_digest = play.under(f"m/manifests/{digest}")
    play("by-digest", "GET", by_digest, [accepted])
    play("by-digest-twice-accept", "GET", by_digest, [("Accept", "text/html"), accepted])
    play("fresh-quoted", "GET", by_digest, [accepted, ("If-None-Match", f'"{digest}"')])
    play("fresh-bare", "GET", by_digest, [accepted, ("If-None-Match", digest)])
    play("fresh-weak", "GET", by_digest, [accepted, ("If-None-Match", f'W/"{digest}"')])
    play("stale", "GET", by_digest, [accepted, ("If-None-Match", f'"{NOWHERE}"')])
    play("ranged", "GET", by_digest, [accepted, ("Range", "bytes=0-9")])
    play("tag-unknown", "GET", play.under("m/manifests/none"), [accepted])
    play("tag-unknown-head", "HEAD", play.under("m/manifests/none"), [accepted])
    play("digest-unknown", "GET", play.under(f"m/manifests/{NOWHERE}"), [accepted])
    play("blob-as-manifest", "GET", play.under(f"m/manifests/{hexadecimal(BLOB)}"), [accepted])
    play("repository-unknown", "GET", play.under("none/manifests/1"), [accepted])
    play("digest-short", "GET", play.under("m/manifests/sha256:abcd"), [accepted])
    play("digest-md5", "GET", play.under("m/manifests/md5:" + "0" * 32), [accepted])


def pushed_manifests(play: Play) -> None:
    """Manifests that are taken, and those that are not."""
    push_blob(play, "p", CONFIG)
    push_blob(play, "p")
    good = encoded(manifest())
    typed = [("Content-Type", OCI)]
    path = play.under("p/manifests/1")
    play("by-tag", "PUT", path, typed, good)
    play("again", "PUT", path, typed, good)
    play("by-digest", "PUT", play.under(f"p/manifests/{hexadecimal(good)}"), typed, good)
    play("type-with-charset", "PUT", path, [("Content-Type", f"{OCI}; charset=utf-8")], good)
    subject = {"mediaType": OCI, "digest": hexadecimal(good), "size": len(good)}
    play("subject", "PUT", play.under("p/manifests/s"), typed, encoded(manifest(subject=subject)))
    plain = encoded(manifest(artifactType="application/vnd.a", annotations={"a": "b"}))
    play("artifact", "PUT", play.under("p/manifests/a"), typed, plain)
    play("index", "PUT", play.under("p/manifests/i"), [("Content-Type", INDEX)],
         encoded(index(good)))  # fmt: skip
    play("docker", "PUT", play.under("p/manifests/d"), [("Content-Type", DOCKER)],
         encoded(docker_manifest()))  # fmt: skip
    play("digest-of-another", "PUT", play.under(f"p/manifests/{NOWHERE}"), typed, good)
    play("layer-unknown", "PUT", path, typed, encoded(manifest(b"none")))
    play("index-of-unknown", "PUT", path, [("Content-Type", INDEX)], encoded(index(b"none")))
    play("no-json", "PUT", path, typed, b"{")
    play("empty", "PUT", path, typed)
    play("no-type", "PUT", path, [], good)
    play("foreign-type", "PUT", path, [("Content-Type", "text/plain")], good)
    play("types-differ", "PUT", path, [("Content-Type", DOCKER)], good)
    play("schema-version", "PUT", path, typed, encoded({**manifest(), "schemaVersion": 3}))
    play("too-big", "PUT", path, typed, b" " * (4 * 1024 * 1024 + 1))
    play("served", "GET", path, [("Accept", OCI)])
    play("tags", "GET", play.under("p/tags/list"))


def blobs(play: Play) -> None:
    """Blobs whole, in part and on conditions."""
    digest = push_blob(play, "b")
    push_blob(play, "b", b"")
    path = play.under(f"b/blobs/{digest}")
    play("whole", "GET", path)
    play("head", "HEAD", path)
    play("empty", "GET", play.under(f"b/blobs/{hexadecimal(b'')}"))
    ranges = {
        "first": "bytes=0-9", "middle": "bytes=100-199", "open": "bytes=1000-",
        "last": "bytes=-10", "all": "bytes=0-", "long": "bytes=0-99999", "beyond": "bytes=1024-",
        "backwards": "bytes=9-0", "words": "bytes=a-b", "unit": "lines=0-9", "zero": "bytes=-0",
        "several": "bytes=0-9,20-29",
    }  # fmt: skip
    for name, value in ranges.items():
        play(f"range-{name}", "GET", path, [("Range", value)])
        play(f"range-{name}-head", "HEAD", path, [("Range", value)])
    quoted = f'"{digest}"'
    conditions = {
        "none-match": [("If-None-Match", quoted)],
        "none-match-any": [("If-None-Match", "*")],
        "none-match-list": [("If-None-Match", f'"a", {quoted}')],
        "none-match-weak": [("If-None-Match", f"W/{quoted}")],
        "none-match-bare": [("If-None-Match", digest)],
        "none-match-other": [("If-None-Match", '"a"')],
        "match": [("If-Match", quoted)],
        "match-any": [("If-Match", "*")],
        "match-other": [("If-Match", '"a"')],
        "if-range": [("If-Range", quoted), ("Range", "bytes=0-9")],
        "if-range-other": [("If-Range", '"a"'), ("Range", "bytes=0-9")],
    }
    for name, headers in conditions.items():
        play(name, "GET", path, headers)
        play(f"{name}-head", "HEAD", path, headers)
    play("unknown", "GET", play.under(f"b/blobs/{NOWHERE}"))
    play("unknown-head", "HEAD", play.under(f"b/blobs/{NOWHERE}"))
    play("of-another-repository", "GET", play.under(f"b2/blobs/{digest}"))
    play("digest-too-short", "GET", play.under("b/blobs/sha256:" + "0" * 32))
    play("digest-too-long", "GET", play.under("b/blobs/sha256:" + "0" * 65))
    play("digest-unsupported", "GET", play.under("b/blobs/md5:" + "0" * 32))
    play("digest-in-capitals", "GET", play.under(f"b/blobs/sha256:{digest[7:].upper()}"))
    play("digest-none", "GET", play.under("b/blobs/abc"))


def listings(play: Play) -> None:
    """Tags and repositories, page by page."""
    for tag in ("b", "a", "1.0", "C", "_x"):
        push_manifest(play, "l/tags", tag, manifest())
    for name in ("l", "l/a", "l-b", "l.c", "l/a/d"):
        push_manifest(play, name, "1", manifest())
    tags = play.under("l/tags/tags/list")
    for query in ("", "?n=2", "?n=2&last=C", "?n=2&last=b", "?n=5", "?n=0", "?n=9999", "?last=a",
                  "?n=-1", "?n=a", "?n=", "?last=zzz", "?n=2&last=none"):  # fmt: skip
        play(f"tags{query}", "GET", f"{tags}{query}")
    play("tags-unknown", "GET", play.under("none/tags/list"))
    play("tags-unknown-n", "GET", play.under("none/tags/list?n=1"))
    push_blob(play, "l/blob-only")
    play("tags-of-blobs-only", "GET", play.under("l/blob-only/tags/list"))
    catalogue = play.under("_catalog")
    for query in ("", "?n=2", "?n=2&last=l", "?n=3&last=l/a", "?n=0", "?n=1000", "?n=1001",
                  "?n=-1", "?n=a", "?last=l.c", "?last=zzz"):  # fmt: skip
        play(f"catalogue{query}", "GET", f"{catalogue}{query}")


def deletes(play: Play) -> None:
    """Deletion by tag and by digest, and what is left."""
    accept = [("Accept", f"{OCI}, {INDEX}")]
    digest = push_manifest(play, "d", "one", manifest())
    push_manifest(play, "d", "two", manifest())
    play("tag", "DELETE", play.under("d/manifests/one"))
    play("tag-gone", "GET", play.under("d/manifests/one"), accept)
    play("tag-again", "DELETE", play.under("d/manifests/one"))
    play("other-tag", "GET", play.under("d/manifests/two"), accept)
    play("digest", "DELETE", play.under(f"d/manifests/{digest}"))
    play("digest-gone", "GET", play.under(f"d/manifests/{digest}"), accept)
    play("digest-again", "DELETE", play.under(f"d/manifests/{digest}"))
    play("tag-of-digest-gone", "GET", play.under("d/manifests/two"), accept)
    play("manifest-unknown", "DELETE", play.under(f"d/manifests/{NOWHERE}"))
    play("repository-unknown", "DELETE", play.under(f"none/manifests/{NOWHERE}"))
    play("tags", "GET", play.under("d/tags/list"))
    play("blob", "DELETE", play.under(f"d/blobs/{hexadecimal(BLOB)}"))
    play("blob-gone", "GET", play.under(f"d/blobs/{hexadecimal(BLOB)}"))
    play("blob-again", "DELETE", play.under(f"d/blobs/{hexadecimal(BLOB)}"))
    play("blob-unknown", "DELETE", play.under(f"d/blobs/{NOWHERE}"))
