"""Names, tags, digests and upload ids: what is taken, and what is refused with which error."""

from __future__ import annotations

import pytest

from entrepot.core import errors
from entrepot.core.names import Digest, RepositoryName, Tag, UploadId, parse_reference

HEX = "a" * 64


@pytest.mark.parametrize(
    "text", ["a", "a/b", "lib/x-y__z.w_v", "0", "a--b", "a/" * 120 + "a", "x" * 255]
)
def test_repository_name_taken(text: str) -> None:
    assert RepositoryName.parse(text).text == text


@pytest.mark.parametrize(
    "text",
    ["", "A", "a//b", "/a", "a/", "-a", "a-", "a___b", "a..b", "..", "a/../b", "a b", "a\n", "ä",
     "a\0", "_uploads", "x" * 256],
)  # fmt: skip
def test_repository_name_refused(text: str) -> None:
    with pytest.raises(errors.NameInvalidError):
        RepositoryName.parse(text)


@pytest.mark.parametrize("text", ["latest", "_", "1.0", "A" * 128, "v1-x_y.z"])
def test_tag_taken(text: str) -> None:
    assert parse_reference(text) == Tag(text)


@pytest.mark.parametrize("text", ["", ".a", "-a", "A" * 129, "a/b", "a\n", "é", "a b", "a\0"])
def test_tag_refused(text: str) -> None:
    with pytest.raises(errors.TagInvalidError):
        Tag.parse(text)


def test_digest_taken() -> None:
    assert parse_reference(f"sha256:{HEX}") == Digest("sha256", HEX)


@pytest.mark.parametrize(
    "text",
    ["", "sha256", "sha256:", f"sha256:{HEX}a", f"sha256:{HEX[1:]}", f"sha256:{HEX.upper()}",
     f"md5:{HEX[:32]}", f"SHA256:{HEX}", f"sha512:{HEX}", f"sha256:{'g' * 64}", f"sha256:{HEX}\n"],
)  # fmt: skip
def test_digest_refused(text: str) -> None:
    with pytest.raises(errors.DigestInvalidError):
        Digest.parse(text)


def test_message_repeats_only_the_beginning_of_long_input() -> None:
    with pytest.raises(errors.DigestInvalidError) as caught:
        Digest.parse("sha256:" + "z" * 100_000)

    assert len(caught.value.message) < 300


@pytest.mark.parametrize("text", ["", "x", "../x", "0" * 32, "{" + "0" * 36 + "}"])
def test_upload_id_refused(text: str) -> None:
    with pytest.raises(errors.BlobUploadUnknownError):
        UploadId.parse(text)


def test_upload_id_is_taken_as_given_out() -> None:
    id_ = UploadId.new()

    assert UploadId.parse(id_.text) == id_
