"""A real pull through the cloudfront middleware, from a server that verifies as CloudFront does."""

from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest
from tests.drivers.cloudfront_edge import PAIR, RANGES, Edge, pem, running
from tests.real.clients import COPIERS
from tests.real.debugging import until
from tests.real.registry import Registry
from tests.real.servers import Server, StartEntrepot
from tests.real.site import Site
from tests.real.test_clients import pulled_digests

IN_AWS = "127.0.0.2"
AWS = b'{"prefixes": [{"ip_prefix": "127.0.0.2/32", "region": "us-east-1"}], "ipv6_prefixes": []}'


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Generator[Edge, None, None]:
    with running(tmp_path_factory.mktemp("store")) as edge:
        edge.ranges = 200, AWS
        yield edge


@pytest.fixture(scope="module")
def server(
    edge: Edge, entrepot_server: StartEntrepot, tmp_path_factory: pytest.TempPathFactory
) -> Server:
    """Our server over the folder that the edge serves."""
    key = tmp_path_factory.mktemp("key") / "key.pem"
    key.write_bytes(pem())
    options = {
        "baseurl": edge.url,
        "privatekey": str(key),
        "keypairid": PAIR,
        "ipfilteredby": "awsregion",
        "awsregion": "us-east-1, eu-west-1",
        "iprangesurl": edge.url + RANGES,
    }
    middleware = {"storage": [{"name": "cloudfront", "options": options}]}
    return entrepot_server({"middleware": middleware}, root=Path(edge.folder))


@pytest.mark.parametrize("name", ["skopeo", "crane"])
def test_pull_through_cloudfront(name: str, site: Site, edge: Edge) -> None:
    image = site.image("twelve")
    COPIERS["skopeo"].push(image, site.reference(), site.env)
    before = edge.served

    COPIERS[name].pull(site.reference(), site.folder / "pulled", site.env)

    assert pulled_digests(site.folder / "pulled") >= image.manifests | image.blobs
    assert edge.served - before >= len(image.blobs)


def test_client_in_aws_is_not_sent_there(site: Site, registry: Registry) -> None:
    content = b"more than is kept in memory" * 20_000
    digest = registry.push_blob(site.repository, content)
    url = f"/v2/{site.repository}/blobs/{digest}"
    inside = httpx2.HTTPTransport(local_address=IN_AWS)

    with httpx2.Client(base_url=site.server.url, transport=inside) as client:
        until(lambda: client.get(url).status_code == 200, "AWS's ranges are not known")

        assert client.get(url).content == content
    assert registry.http.get(url).status_code == 307
