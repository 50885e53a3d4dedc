"""Which content a registry takes: classes of images, and how complete an index has to be.

Source: Distribution's `policy.repository.classes` and `validation.manifests.indexes`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from entrepot.core.access import DeniedError
from entrepot.core.manifest import DOCKER_MANIFEST, IMAGES, OCI_MANIFEST, Descriptor, Manifest

_CLASSES = {
    (DOCKER_MANIFEST, "application/vnd.docker.container.image.v1+json"): "image",
    (DOCKER_MANIFEST, "application/vnd.docker.plugin.v1+json"): "plugin",
    (OCI_MANIFEST, "application/vnd.oci.image.config.v1+json"): "image",
}


def check_class(manifest: Manifest, allowed: Collection[str]) -> None:
    """What an image is by its config must be among `allowed`, if that says anything.

    An index has no class of its own and passes.

    Raises DeniedError: in Distribution's words.
    """
    if not allowed or manifest.media_type not in IMAGES:
        return
    config = manifest.config_type or ""
    found = _CLASSES.get((manifest.media_type, config))
    if found is None:
        raise DeniedError(f"unknown manifest class for {config[:200]}")
    if found not in allowed:
        raise DeniedError(f"registry does not allow {found} manifest")


@dataclass(frozen=True, slots=True)
class Platforms:
    """Which images of an index must exist when it is pushed.

    `listed` are pairs of operating system and architecture, for the mode `list`; an empty list
    means all, as in Distribution.
    """

    mode: Literal["all", "none", "list"] = "all"
    listed: frozenset[tuple[str, str]] = frozenset()

    def includes(self, descriptor: Descriptor) -> bool:
        """Whether an index' child must exist; one without a platform must, except for `none`."""
        if self.mode == "list" and self.listed:
            platform = descriptor.platform
            return platform is None or platform in self.listed
        return self.mode != "none"


ALL_PLATFORMS = Platforms()
