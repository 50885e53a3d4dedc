"""What a configuration says of the content that a registry takes and gives."""

from __future__ import annotations

import re

from entrepot.core.concurrency import WIDTH
from entrepot.core.configuration import Configuration
from entrepot.core.configuration.model_content import Indexes
from entrepot.core.configuration.model_storage import Delete, Redirect
from entrepot.core.content import Platforms
from entrepot.core.networks import networks_of
from entrepot.core.redirects import Redirected
from entrepot.core.registry import Deletable, Rules
from entrepot.core.tag_rules import TagRules


def content_rules(configuration: Configuration) -> Rules:
    """The rules for whoever works on the content of this configuration's store."""
    validation = configuration.validation
    urls = validation.manifests.urls
    return Rules(
        delete=_deletable(configuration.storage.delete),
        tags=TagRules(configuration.policy.tags),
        redirected=_redirected(configuration.storage.redirect),
        verify_references=not validation.disabled,
        tag_lookups=configuration.storage.tag.concurrencylimit or WIDTH,
        urls_allow=tuple(re.compile(pattern) for pattern in urls.allow),
        urls_deny=tuple(re.compile(pattern) for pattern in urls.deny),
        classes=configuration.policy.repository.classes,
        platforms=_platforms(validation.manifests.indexes),
    )


def _redirected(redirect: Redirect) -> Redirected | None:
    if redirect.disable:
        return None
    return Redirected(networks_of(redirect.networks), networks_of(redirect.exceptnetworks))


def _deletable(section: Delete) -> Deletable:
    kinds = (section.tags, section.manifests, section.blobs)
    return Deletable(*(section.enabled if kind is None else kind for kind in kinds))


def _platforms(indexes: Indexes) -> Platforms:
    listed = frozenset((one.os, one.architecture) for one in indexes.platformlist)
    return Platforms(indexes.platforms, listed)
