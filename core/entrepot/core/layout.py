"""Where things live on the store: pure functions from names to keys.

The layout is CNCF Distribution's, byte for byte; what is ours alone lies in folders that
begin with `_` inside a repository and that Distribution does not descend into.
"""

from __future__ import annotations

from entrepot.core.errors import DigestInvalidError
from entrepot.core.names import Digest, RepositoryName, Tag, UploadId

ROOT = "docker/registry/v2"
BLOBS = f"{ROOT}/blobs/"
REPOSITORIES = f"{ROOT}/repositories/"
OURS = "entrepot/"
"""What is ours alone and belongs to no repository."""
READ_ONLY = f"{OURS}readonly"
"""Says, by being there, that no replica takes or removes anything."""
RECORDING = f"{OURS}pulls/recording"
"""Says by its time that pulls were recorded then."""
RECORDING_BEGAN = f"{OURS}pulls/began"
"""Says by its time since when they are."""


def blob(digest: Digest) -> str:
    """The bytes of a blob or manifest."""
    return f"{BLOBS}{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"


def digest_of_blob(key: str) -> Digest | None:
    """Whose bytes a key holds; None if it is no blob's."""
    parts = key.removeprefix(BLOBS).split("/")
    try:
        digest = Digest.parse(f"{parts[0]}:{parts[-2]}")
    except (DigestInvalidError, IndexError):
        return None
    return digest if blob(digest) == key else None


def repository(name: RepositoryName) -> str:
    return f"{REPOSITORIES}{name.text}/"


def layers(name: RepositoryName) -> str:
    return f"{repository(name)}_layers/"


def layer_link(name: RepositoryName, digest: Digest) -> str:
    """Says that the repository has this blob."""
    return f"{layers(name)}{digest.algorithm}/{digest.hex}/link"


def revisions(name: RepositoryName) -> str:
    return f"{repository(name)}_manifests/revisions/"


def revision_link(name: RepositoryName, digest: Digest) -> str:
    """Says that the repository has this manifest."""
    return f"{revisions(name)}{digest.algorithm}/{digest.hex}/link"


def tags(name: RepositoryName) -> str:
    return f"{repository(name)}_manifests/tags/"


def tag(name: RepositoryName, tag: Tag) -> str:
    return f"{tags(name)}{tag.text}/"


def tag_link(name: RepositoryName, tag: Tag) -> str:
    """Says what the tag points to; the last thing that a push writes."""
    return f"{tags(name)}{tag.text}/current/link"


def tag_history(name: RepositoryName, tag: Tag, digest: Digest) -> str:
    """Says that the tag once pointed to this digest."""
    return f"{tags(name)}{tag.text}/index/{digest.algorithm}/{digest.hex}/link"


def upload(name: RepositoryName, upload: UploadId) -> str:
    """The token of an upload: a driver keeps its `data` below this key."""
    return f"{repository(name)}_uploads/{upload.text}"


def upload_started(name: RepositoryName, id_: UploadId) -> str:
    """When the upload began, as RFC 3339 in UTC; its presence is the upload's existence."""
    return f"{upload(name, id_)}/startedat"


def upload_hash_states(name: RepositoryName, id_: UploadId, algorithm: str) -> str:
    return f"{upload(name, id_)}/hashstates/{algorithm}/"


def upload_hash_state(name: RepositoryName, id_: UploadId, algorithm: str, offset: int) -> str:
    """The hash of the first `offset` bytes, to be continued."""
    return f"{upload_hash_states(name, id_, algorithm)}{offset}"


def upload_unverified(name: RepositoryName, id_: UploadId) -> str:
    """A finished upload whose digest is still to be found by reading it."""
    return f"{upload(name, id_)}/unverified"


def referrers(name: RepositoryName, subject: Digest) -> str:
    return f"{repository(name)}_referrers/{subject.algorithm}/{subject.hex}/"


def referrer(name: RepositoryName, subject: Digest, digest: Digest) -> str:
    """The descriptor of a manifest that has `subject`; derivable from that manifest."""
    return f"{referrers(name, subject)}{digest.algorithm}/{digest.hex}/descriptor.json"


def pulls(name: RepositoryName) -> str:
    return f"{repository(name)}_pulled/"


def pulled(name: RepositoryName, tag: Tag) -> str:
    """Says by its time when the tag was pulled."""
    return f"{pulls(name)}{tag.text}/at"


def turns(work: str) -> str:
    """Says which replica does a piece of maintenance in which interval."""
    return f"{OURS}turns/{work}/"
