"""Every deliberate difference from Distribution's answers, with its reason.

A row that no longer occurs fails the test, as does a difference that has no row.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from tests.real.differential.comparing import Found

__all__ = ["DIFFERENCES", "Difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """Answers that differ on purpose.

    `steps` are patterns of `setup/scenario/request`, separated by spaces; `versions` are those
    of Distribution. What differs is the outcome, or the `aspects`, separated by commas.
    `theirs` and `ours` are patterns of the values.
    """

    steps: str
    versions: str
    theirs: str
    ours: str
    reason: str
    aspects: str = "outcome"

    def covers(self, version: str, found: Found) -> bool:
        """Whether this is what was found beside that version of Distribution."""
        return (
            version in self.versions.split()
            and any(fnmatchcase(found.step, pattern) for pattern in self.steps.split())
            and found.aspect in self.aspects.split(", ")
            and fnmatchcase(found.theirs, self.theirs)
            and fnmatchcase(found.ours, self.ours)
        )


D = Difference

# fmt: off
_EVERYWHERE = (
    D("*", "2 3", "", "granian", "the HTTP server names itself", "header server"),
    D("*", "2", "application/json; charset=utf-8", "application/json",
      "Distribution 3 says no charset either: JSON has none", "header content-type"),
    D("*", "2 3", "?*", "?*", "messages say what is wrong with what was sent, and what to do",
      "messages, details"),
    D("*-HEAD */manifests/HEAD-* *-head", "2 3", "*", "*",
      "the length of an error's JSON, which differs with its message", "header content-length"),
    D("*", "2 3", "405 text", "405 UNSUPPORTED", "errors are JSON, as the specification has them"),
    D("*-HEAD", "2 3", "405 text", "405", "the same without its body"),
    D("*", "2 3", "404 text", "404 UNSUPPORTED", "errors are JSON, as the specification has them"),
    D("*/alive*", "2 3", "", "registry/2.0",
      "one rule for all answers is simpler, and nobody minds",
      "header docker-distribution-api-version"),
    D("environment/addresses/alive", "2 3", "", "environment",
      "`http.headers` are in every answer, so that a proxy need not add them", "header x-from"),
)

_ROUTES = (
    D("plain/routes/base-OPTIONS", "2 3", "*", "*",
      "OPTIONS are answered alike everywhere: with Allow and no body",
      "body, header allow, header content-type"),
    D("plain/routes/upload-OPTIONS", "2 3", "404 BLOB_UPLOAD_INVALID", "200",
      "a browser's preflight knows nothing of uploads"),
    D("plain/routes/uploads-OPTIONS", "2 3", "DELETE, GET, HEAD, PATCH, POST, PUT", "POST",
      "only what is possible there is allowed", "header allow"),
    D("plain/routes/uploads-GET plain/routes/uploads-PUT plain/routes/uploads-PATCH "
      "plain/routes/uploads-DELETE", "2 3", "404 BLOB_UPLOAD_UNKNOWN", "405 UNSUPPORTED",
      "no upload is named there, so none can be unknown"),
    D("plain/routes/uploads-HEAD", "2 3", "404", "405", "the same without its body"),
    D("plain/routes/upload-POST", "2 3", "404 BLOB_UPLOAD_INVALID", "405 UNSUPPORTED",
      "an upload takes no POST, known or not"),
    D("plain/routes/name-in-capitals plain/routes/name-with-*", "2 3", "404 text",
      "400 NAME_INVALID", "the specification has a code for it"),
    D("plain/routes/name-*too-long", "2 3", "*", "400 NAME_INVALID",
      "a name that is too long is the client's mistake, and of no repository"),
    D("plain/routes/tag-with-dot-in-front plain/routes/tag-too-long", "2 3", "404 text",
      "400 TAG_INVALID", "it says what is wrong with the tag"),
    D("plain/blobs/digest-none", "2 3", "404 text", "400 DIGEST_INVALID",
      "the specification has a code for it"),
    D("plain/routes/*-with*-slash plain/routes/base-without-slash", "2 3", "301", "200",
      "both forms are served: a redirection costs a round trip"),
    D("plain/routes/uploads-without-slash", "2 3", "301", "202",
      "clients turn a redirected POST into a GET"),
    D("plain/routes/double-slash", "2 3", "301", "400 NAME_INVALID",
      "a repository of another name is not what was asked for"),
    D("plain/routes/referrers", "2 3", "404 text", "200", "referrers of OCI 1.1 are listed"),
)

_UPLOADS = (
    D("plain/routes/upload-GET readonly/readonly/upload-status", "2", "404 BLOB_UPLOAD_INVALID",
      "404 BLOB_UPLOAD_UNKNOWN", "no signed state is needed, as in Distribution 3"),
    D("plain/routes/upload-PATCH plain/routes/upload-DELETE", "2 3", "404 BLOB_UPLOAD_INVALID",
      "404 BLOB_UPLOAD_UNKNOWN", "no signed state is needed"),
    D("plain/routes/upload-PUT", "2 3", "404 BLOB_UPLOAD_INVALID", "400 DIGEST_INVALID",
      "no signed state is needed; the digest is missing"),
    D("plain/uploads/without-state plain/uploads/state-garbled", "2 3", "404 BLOB_UPLOAD_INVALID",
      "202", "no signed state is needed, so replicas share no secret"),
    D("plain/uploads/patch-same-half-again plain/uploads/patch-range-gap", "2", "202",
      "416 RANGE_INVALID", "Distribution 2 takes chunks in any order for what comes next"),
    D("plain/uploads/patch-same-half-again plain/uploads/patch-range-gap", "3", "", "?*",
      "a 416 says where to go on, as the specification wants",
      "header location, header range, header docker-upload-uuid"),
    D("plain/uploads/patch-range-backwards plain/uploads/patch-range-length "
      "plain/uploads/patch-range-nonsense", "2", "202", "400 SIZE_INVALID",
      "Distribution 2 does not read Content-Range"),
    D("plain/uploads/patch-range-backwards", "3", "416 RANGE_INVALID", "400 SIZE_INVALID",
      "no place to go on makes it right"),
    D("plain/uploads/patch-range-nonsense", "3", "500 UNKNOWN", "400 SIZE_INVALID",
      "a client's mistake is no failure of the server"),
    D("plain/uploads/patch-range-bytes", "3", "500 UNKNOWN", "202",
      "`bytes 0-1023/*` is Content-Range as HTTP has it"),
    D("plain/uploads/patch-type-other", "2 3", "500 UNKNOWN", "202",
      "the bytes are the same, whatever they are called"),
    D("plain/uploads/put-sha512", "2 3", "*sha256:*", "*sha512:*",
      "a blob is known by the digest it was pushed with",
      "header docker-content-digest, header location"),
    D("plain/uploads/mount-from-nonsense", "2 3", "202", "400 NAME_INVALID",
      "a name that cannot be is a mistake, not a blob that is not there"),
    D("plain/uploads/mount-digest-nonsense", "2 3", "202", "400 DIGEST_INVALID",
      "a digest that cannot be is a mistake, not a blob that is not there"),
    D("plain/uploads/mount-without-from", "2 3", "202", "201",
      "OCI 1.1 lets a registry find the blob anywhere"),
    D("plain/uploads/post-with-digest", "2 3", "202", "201", "OCI 1.1 pushes in one request"),
)

_READONLY = (
    D("readonly/readonly/upload-delete readonly/readonly/upload-patch "
      "readonly/readonly/upload-put", "2 3", "404 BLOB_UPLOAD_INVALID", "405 UNSUPPORTED",
      "a registry that takes nothing looks for no upload"),
)

_MANIFESTS = (
    D("plain/manifests/*-accept-*", "2 3", "40[04]*", "200",
      "what is stored is served, whatever the client says that it accepts"),
    D("plain/manifests/*-list-accept-docker", "2 3", "*", "*",
      "a list is served as it is: its digest is what the tag points at",
      "header content-type, header docker-content-digest, header etag, header "
      "content-length, body"),
    D("plain/manifests/fresh-quoted plain/manifests/fresh-bare", "2 3", "", "*sha256:*",
      "HTTP wants the Etag in a 304", "header docker-content-digest, header etag"),
    D("plain/manifests/fresh-weak", "2 3", "200", "304", "HTTP compares weakly for If-None-Match"),
    D("plain/manifests/blob-as-manifest", "2", "500 UNKNOWN", "404 MANIFEST_UNKNOWN",
      "a client's mistake is no failure of the server; as in Distribution 3"),
    D("plain/manifests/digest-*", "2", "500 UNKNOWN", "400 DIGEST_INVALID",
      "a client's mistake is no failure of the server; as in Distribution 3"),
    D("plain/pushed_manifests/subject", "2 3", "", "sha256:*",
      "OCI 1.1 wants it where referrers are listed", "header oci-subject"),
    D("plain/pushed_manifests/no-type", "2 3", "400 MANIFEST_INVALID", "201",
      "the manifest itself says what it is"),
    D("plain/pushed_manifests/schema-version", "2 3", "500 UNKNOWN", "400 MANIFEST_INVALID",
      "a client's mistake is no failure of the server"),
    D("plain/pushed_manifests/too-big", "2 3", "400 MANIFEST_INVALID", "413 MANIFEST_INVALID",
      "the specification's status"),
    D("*/deletes/tag", "2", "400 DIGEST_INVALID", "202",
      "tags can be deleted, as in Distribution 3"),
    D("*/deletes/tag-gone", "2", "200", "404 MANIFEST_UNKNOWN", "the tag was deleted before"),
    D("*/deletes/tag-again plain/routes/manifest-DELETE", "2", "400 DIGEST_INVALID",
      "404 MANIFEST_UNKNOWN", "a tag that is not there, as in Distribution 3"),
    D("*/deletes/tags", "2", "*null*", "*[[]]*", "as in Distribution 3", "body"),
)

_BLOBS = (
    D("plain/blobs/range-*-head plain/blobs/if-range-head", "2 3", "206", "200",
      "HTTP has ranges for GET alone"),
    D("plain/blobs/range-*-head", "2 3", "416 text", "200", "HTTP has ranges for GET alone"),
    D("plain/blobs/range-beyond plain/blobs/range-backwards plain/blobs/range-words", "2 3",
      "416 text*", "416",
      "no body; Distribution 2 promises one as long as the blob and breaks off"),
    D("plain/blobs/range-unit", "2 3", "416 text*", "200",
      "HTTP wants an unknown unit to be ignored"),
    D("plain/blobs/range-zero", "2 3", "206", "416", "the last 0 bytes cannot be sent in part"),
    D("plain/blobs/range-several", "2 3", "*", "*",
      "the same parts, their headers in another order", "body"),
    D("plain/blobs/none-match*", "2 3", "", "bytes",
      "what holds for the blob holds for every answer about it", "header accept-ranges"),
    D("plain/blobs/none-match-bare*", "2 3", "200", "304",
      "a digest without quotes can mean nothing else, as for manifests"),
    D("plain/blobs/match-other", "2 3", "412 broken off", "412",
      "Distribution promises a body and breaks off"),
    D("plain/blobs/match-other-head", "2 3", "*", "*",
      "a 412 has no body, so no type and no length",
      "header content-type, header accept-ranges, header content-length"),
)

_LISTS = (
    D("*/listings/tags* */addresses/tags plain/pushed_manifests/tags", "2", "*", "*",
      "tags are in order and in pages, as in Distribution 3", "body, header link"),
    D("*/listings/tags[?]n=-1 */listings/tags[?]n=a */listings/catalogue[?]n=-1 "
      "*/listings/catalogue[?]n=a", "2", "200", "400 PAGINATION_NUMBER_INVALID",
      "what is no number is a mistake, as in Distribution 3"),
    D("*/listings/tags[?]n=5", "3", '</v2/*>; rel="next"', "",
      "the last page is known to be the last: no link to an empty one", "header link"),
    D("*/listings/tags-of-blobs-only", "2 3", "404 NAME_UNKNOWN", "200",
      "the repository is there: something was pushed to it"),
    D("*/listings/catalogue*", "2", "*", "*",
      "repositories without a manifest are not listed, as in Distribution 3", "body, header link"),
    D("environment/listings/catalogue*", "3", "*", "*",
      "repositories whose manifests are all deleted are not listed", "body, header link"),
)

# fmt: on

DIFFERENCES = (
    *_EVERYWHERE,
    *_ROUTES,
    *_UPLOADS,
    *_READONLY,
    *_MANIFESTS,
    *_BLOBS,
    *_LISTS,
)
