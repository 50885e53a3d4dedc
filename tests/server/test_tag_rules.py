"""What clients are told where tags may not move, and where some kinds may not be deleted."""

from __future__ import annotations

import pytest
from tests.server.conftest import Pusher, client_of, sha

FIXED = "[{repositories: ['**'], immutable: ['v*']}]"


def test_push_that_would_move_an_immutable_tag_is_denied() -> None:
    with client_of(POLICY_TAGS=FIXED) as client:
        push = Pusher(client)
        digest, content = push.image("a/b", "v1")

        again = push.manifest("a/b", "v1", content)
        other = push.manifest("a/b", "v1", content + b" ")
        deleted = [client.delete(f"/v2/a/b/manifests/{one}") for one in ("v1", digest)]
        pulled = client.get("/v2/a/b/manifests/v1")

    assert again.status_code == 201
    assert other.status_code == 403
    (error,) = other.json()["errors"]
    assert error["code"] == "DENIED"
    assert error["message"].startswith("tag v1 of a/b is immutable (policy.tags.0: v*)")
    assert error["detail"] == {"tag": "v1", "digest": digest}
    assert [answer.status_code for answer in deleted] == [403, 403]
    assert pulled.content == content


@pytest.mark.parametrize(
    ("switches", "allowed"),
    [
        ({"ENABLED": "true"}, {"tags", "manifests", "blobs"}),
        ({"ENABLED": "false"}, set[str]()),
        ({"ENABLED": "true", "BLOBS": "false"}, {"tags", "manifests"}),
        ({"ENABLED": "false", "TAGS": "true"}, {"tags"}),
        ({"ENABLED": "false", "MANIFESTS": "true"}, {"manifests"}),
        ({"ENABLED": "true", "TAGS": "false", "MANIFESTS": "false"}, {"blobs"}),
    ],
    ids=lambda value: ",".join(sorted(value)) or "none",
)
def test_deleting_is_switched_by_kind(switches: dict[str, str], allowed: set[str]) -> None:
    variables = {f"STORAGE_DELETE_{key}": value for key, value in switches.items()}
    with client_of(**variables) as client:
        push = Pusher(client)
        digest, content = push.image("a/b", "latest")
        other = content + b" "
        push.manifest("a/b", sha(other), other)
        paths = {"tags": "manifests/latest", "manifests": f"manifests/{sha(other)}"}
        paths["blobs"] = f"blobs/{sha(b'{}')}"

        answers = {kind: client.delete(f"/v2/a/b/{path}") for kind, path in paths.items()}

    assert digest != sha(other)
    for kind, answer in answers.items():
        assert answer.status_code == (202 if kind in allowed else 405)
        if kind not in allowed:
            (error,) = answer.json()["errors"]
            assert error["code"] == "UNSUPPORTED"
            assert error["message"].startswith(f"deleting {kind} is off")
            assert f"storage.delete.{kind}" in error["message"]


def test_manifest_goes_with_its_tags_only_where_tags_may_be_deleted() -> None:
    with client_of(STORAGE_DELETE_TAGS="false") as client:
        digest, _ = Pusher(client).image("a/b", "latest")

        answer = client.delete(f"/v2/a/b/manifests/{digest}")

        assert answer.status_code == 405
        assert "tag latest points to it" in answer.json()["errors"][0]["message"]
        assert client.get("/v2/a/b/manifests/latest").status_code == 200
