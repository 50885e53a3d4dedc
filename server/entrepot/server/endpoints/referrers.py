"""Referrers. Source: distribution-spec 1.1, "Listing Referrers"."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from starlette.responses import Response

from entrepot.core.manifest import OCI_INDEX
from entrepot.core.names import Digest
from entrepot.server.call import Call


async def get(call: Call) -> Response:
    """An index of all that has this subject; empty for one nobody refers to."""
    subject = Digest.parse(call.reference)
    artifact_type = call.parameter("artifactType")
    last = call.parameter("last")
    after = str(Digest.parse(last)) if last else ""
    page = await call.repository.referrers.page(subject, artifact_type, after)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": page.descriptors}
    response = Response(json.dumps(index, separators=(",", ":")), media_type=OCI_INDEX)
    if artifact_type is not None:
        response.headers["OCI-Filters-Applied"] = "artifactType"
    if page.more:
        query = {"last": page.last} | ({"artifactType": artifact_type} if artifact_type else {})
        path = f"/v2/{call.name}/referrers/{subject}?{urlencode(query)}"
        response.headers["Link"] = f'<{call.urls.path(call.scope, path)}>; rel="next"'
    return response
