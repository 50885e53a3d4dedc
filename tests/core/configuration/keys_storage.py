"""The keys of `storage` and `middleware`, drivers and middlewares of Distribution among them."""

from __future__ import annotations

from tests.core.configuration.keys import Key

_COLLECTING = "storage.maintenance.garbagecollect"
_PURGING = "storage.maintenance.uploadpurging"
_S3 = {"storage.s3.bucket": "images", "storage.s3.region": "eu-central-1"}
_KEYS = {**_S3, "storage.s3.accesskey": "a", "storage.s3.secretkey": "s"}
_GCS = {"storage.gcs.bucket": "images"}
_AZURE = {
    "storage.azure.accountname": "name",
    "storage.azure.accountkey": "a2V5",
    "storage.azure.container": "images",
}
_ENTRA = {
    "storage.azure.accountname": "name",
    "storage.azure.container": "images",
    "storage.azure.credentials.type": "client_secret",
    "storage.azure.credentials.clientid": "c",
    "storage.azure.credentials.tenantid": "t",
    "storage.azure.credentials.secret": "s",
}
_STORED = "middleware.storage.0"
_REDIRECT = {f"{_STORED}.name": "redirect", f"{_STORED}.options.baseurl": "https://a.example.com"}
_REWRITE = {f"{_STORED}.name": "rewrite"}
_COMPILED = (
    "a middleware of Distribution is compiled into it; what it sees is told to the plug-ins of "
    "`notifications.observers`, what it refuses is refused by those of `policy.admission`; set "
    "`disabled: true` in each"
)
_OSS = "Distribution 3 dropped this driver; `pip install entrepot-oss` brings it back"
_SWIFT = "Distribution 3 dropped this driver; `pip install entrepot-swift` brings it back"
_RADOS = (
    "Distribution 2.4 dropped this driver; `pip install entrepot-rados`, or write `s3` for Ceph's "
    "object gateway"
)
_GOAMZ = "Distribution 2.7 dropped this driver; write `s3`, its parameters are the same"
_CLOUDFRONT = {
    f"{_STORED}.name": "cloudfront",
    f"{_STORED}.options.baseurl": "https://a.cloudfront.net",
    f"{_STORED}.options.privatekey": "/k.pem",
    f"{_STORED}.options.keypairid": "APKA1",
}


def _s3(key: str, known: str, example: str) -> Key:
    return Key(f"storage.s3.{key}", known, example, beside=_S3)


def _gcs(key: str, known: str, example: str) -> Key:
    return Key(f"storage.gcs.{key}", known, example, beside=_GCS)


def _azure(key: str, known: str, example: str) -> Key:
    return Key(f"storage.azure.{key}", known, example, beside=_AZURE)


def _dropped(driver: str, known: str, told: str, parameters: str) -> tuple[Key, ...]:
    return tuple(
        Key(f"storage.{driver}.{key}", known, "1", refused=told, refused_at=f"storage.{driver}")
        for key in parameters.split()
    )


STORAGE = (
    Key(f"{_PURGING}.enabled", "2 3", "false"),
    Key(f"{_PURGING}.age", "2 3", "24h0m0s"),
    Key(f"{_PURGING}.interval", "2 3", "1h0m0s"),
    Key(f"{_PURGING}.dryrun", "2 3", "true"),
    Key("storage.maintenance.readonly.enabled", "2 3", "true"),
    Key("storage.maintenance.retention.enabled", "ours", "false"),
    Key("storage.maintenance.retention.interval", "ours", "1h0m0s"),
    Key("storage.maintenance.retention.dryrun", "ours", "true"),
    Key(f"{_COLLECTING}.enabled", "ours", "true"),
    Key(f"{_COLLECTING}.interval", "ours", "1h0m0s"),
    Key(f"{_COLLECTING}.grace", "ours", "1h0m0s"),
    Key(f"{_COLLECTING}.wait", "ours", "2m0s"),
    Key(f"{_COLLECTING}.deleteuntagged", "ours", "true"),
    Key(f"{_COLLECTING}.untagged.keeplast", "ours", "5"),
    Key(f"{_COLLECTING}.untagged.olderthan", "ours", "24h0m0s"),
    Key(f"{_COLLECTING}.untagged.repositories", "ours", "['team/*']"),
    Key(f"{_COLLECTING}.untagged.exceptrepositories", "ours", "['base/*']"),
    Key(f"{_COLLECTING}.untagged.artifacttypes", "ours", "['application/vnd.cncf.*']"),
    Key(f"{_COLLECTING}.untagged.exceptartifacttypes", "ours", "['application/vnd.cncf.*']"),
    Key("storage.cache.blobdescriptor", "2 3", "inmemory"),
    Key("storage.cache.blobdescriptor", "2 3", "redis", beside={"redis.addrs": "['a:1']"}),
    Key(
        "storage.cache.blobdescriptor",
        "2 3",
        "memcached",
        noted="unknown cache, none is used; write `inmemory` or remove the key",
    ),
    Key(
        "storage.cache.blobdescriptorsize",
        "3",
        "50",
        noted="no effect without `storage.cache.blobdescriptor`",
    ),
    Key(
        "storage.cache.blobdescriptorsize",
        "3",
        "60",
        beside={"storage.cache.blobdescriptor": "inmemory"},
    ),
    Key(
        "storage.cache.layerinfo",
        "2 3",
        "inmemory",
        moved="storage.cache.blobdescriptor",
        noted="deprecated; write `storage.cache.blobdescriptor`",
    ),
    Key("storage.redirect.disable", "2 3", "true"),
    Key("storage.redirect.networks", "ours", "[192.0.2.0/24]"),
    Key("storage.redirect.exceptnetworks", "ours", "[10.0.0.0/8, '::1']"),
    Key("storage.delete.enabled", "2 3", "true"),
    Key("storage.delete.tags", "ours", "true"),
    Key("storage.delete.manifests", "ours", "true"),
    Key("storage.delete.blobs", "ours", "false"),
    Key("storage.tag.concurrencylimit", "3", "5"),
)

DRIVERS = (
    Key("storage.inmemory", "2 3", "{}"),
    Key("storage.filesystem.rootdirectory", "2 3", "/srv/registry"),
    Key("storage.filesystem.maxthreads", "2 3", "50"),
    Key("storage.filesystem.fsync", "ours", "false"),
    Key("storage.s3.bucket", "2 3", "b", beside={"storage.s3.region": "eu-central-1"}),
    Key("storage.s3.region", "2 3", "eu", beside={"storage.s3.bucket": "images"}),
    _s3("regionendpoint", "2 3", "http://minio:9000"),
    _s3("forcepathstyle", "3", "true"),
    _s3("redirectendpoint", "3", "https://s3.example.com"),
    Key("storage.s3.accesskey", "2 3", "0123", arrives="0123", beside=_KEYS),
    Key("storage.s3.secretkey", "2 3", "0123", arrives="0123", beside=_KEYS),
    Key("storage.s3.sessiontoken", "ours", "t", beside=_KEYS),
    _s3("rootdirectory", "2 3", "registry"),
    _s3("secure", "2 3", "false"),
    _s3("skipverify", "2 3", "true"),
    Key(
        "storage.s3.v4auth",
        "2 3",
        "false",
        noted="no effect; requests are always signed with version 4, remove the key",
        beside=_S3,
    ),
    _s3("signpayload", "ours", "true"),
    _s3("encrypt", "2 3", "true"),
    Key("storage.s3.keyid", "2 3", "k", beside={**_S3, "storage.s3.encrypt": "true"}),
    _s3("storageclass", "2 3", "REDUCED_REDUNDANCY"),
    _s3("objectacl", "2 3", "public-read"),
    _s3("chunksize", "2 3", "33554432"),
    _s3("multipartcopychunksize", "2 3", "16777216"),
    _s3("multipartcopymaxconcurrency", "2 3", "10"),
    _s3("multipartcopythresholdsize", "2 3", "16777216"),
    _s3("maxconnections", "ours", "10"),
    _s3("timeout", "ours", "10s"),
    _s3("useragent", "2 3", "registry"),
    _s3("usedualstack", "3", "true"),
    _s3("accelerate", "3", "true"),
    _s3("usefipsendpoint", "3", "true"),
    _s3("loglevel", "3", "debug"),
    Key("storage.gcs.bucket", "2 3", "images"),
    _gcs("keyfile", "2 3", "/key.json"),
    _gcs("credentials", "2 3", "{type: service_account}"),
    _gcs("rootdirectory", "2 3", "registry"),
    _gcs("chunksize", "2 3", "5242880"),
    _gcs("maxconcurrency", "2 3", "40"),
    _gcs("useragent", "3", "registry"),
    _gcs("anonymous", "ours", "true"),
    _gcs("endpoint", "ours", "http://localhost:4443"),
    _gcs("redirectendpoint", "ours", "https://gcs.example.com"),
    _gcs("timeout", "ours", "10s"),
    _azure("accountname", "2 3", "other"),
    _azure("accountkey", "2 3", "b3RoZXI="),
    _azure("container", "2 3", "other"),
    Key("storage.azure.credentials.type", "3", "client_secret", beside=_ENTRA),
    Key("storage.azure.credentials.clientid", "3", "c2", beside=_ENTRA),
    Key("storage.azure.credentials.tenantid", "3", "t2", beside=_ENTRA),
    Key("storage.azure.credentials.secret", "3", "s2", beside=_ENTRA),
    _azure("realm", "2 3", "core.chinacloudapi.cn"),
    _azure("serviceurl", "3", "http://localhost:10000/name"),
    _azure("rootdirectory", "3", "registry"),
    Key(
        "storage.azure.connectionstring",
        "3",
        "AccountName=n;AccountKey=a2V5",
        beside={"storage.azure.container": "images"},
    ),
    _azure("timeout", "ours", "30s"),
    _azure("max_retries", "3", "3"),
    _azure("retry_delay", "3", "1s"),
    _azure("skipverify", "3", "true"),
    _azure("legacyrootprefix", "ours", "true"),
    _azure("trimlegacyrootprefix", "ours", "true"),
    _azure("maxconcurrency", "ours", "10"),
)

DROPPED = (
    *_dropped(
        "oss",
        "2",
        _OSS,
        "accesskeyid accesskeysecret region bucket internal encrypt encryptionkeyid secure "
        "chunksize rootdirectory endpoint",
    ),
    *_dropped(
        "swift",
        "2",
        _SWIFT,
        "username password authurl container tenant tenantid domain domainid tenantdomain "
        "tenantdomainid trustid region authversion prefix endpointtype insecureskipverify "
        "chunksize secretkey accesskey tempurlcontainerkey tempurlmethods",
    ),
    *_dropped("rados", "2.1", _RADOS, "poolname username chunksize"),
    *_dropped("s3goamz", "2.6", _GOAMZ, "accesskey secretkey region bucket"),
)

MIDDLEWARE = (
    Key("middleware.registry.0.name", "2 3", "mine", refused=_COMPILED,
        refused_at="middleware.registry"),
    Key("middleware.registry.0.disabled", "2 3", "true"),
    Key("middleware.registry.0.options", "2 3", "{a: b}", refused=_COMPILED,
        refused_at="middleware.registry"),
    Key("middleware.repository.0.name", "2 3", "mine", refused=_COMPILED,
        refused_at="middleware.repository"),
    Key("middleware.repository.0.disabled", "2 3", "true"),
    Key("middleware.repository.0.options", "2 3", "{a: b}", refused=_COMPILED,
        refused_at="middleware.repository"),
    Key(f"{_STORED}.name", "2 3", "redirect",
        beside={f"{_STORED}.options.baseurl": "https://a.example.com"}),
    Key(f"{_STORED}.disabled", "2 3", "true", beside=_REDIRECT),
    Key(f"{_STORED}.options", "2 3", "{baseurl: 'https://b.example.com'}",
        beside={f"{_STORED}.name": "redirect"}),
    Key(f"{_STORED}.options.baseurl", "2 3", "https://b.example.com", beside=_REDIRECT),
    Key(f"{_STORED}.options.scheme", "3", "https", beside=_REWRITE),
    Key(f"{_STORED}.options.host", "3", "b.example.com", beside=_REWRITE),
    Key(f"{_STORED}.options.trimpathprefix", "3", "/a", beside=_REWRITE),
    *(
        Key(f"{_STORED}.options.{key}", "2 3", example, beside=_CLOUDFRONT)
        for key, example in (
            ("baseurl", "https://b.cloudfront.net"),
            ("privatekey", "/l.pem"),
            ("keypairid", "APKA2"),
            ("duration", "1h0m0s"),
            ("ipfilteredby", "aws"),
            ("updatefrequency", "6h0m0s"),
            ("updatefrenquency", "6h0m0s"),
            ("iprangesurl", "https://mirror.example.com/ip-ranges.json"),
        )
    ),
    Key(f"{_STORED}.options.awsregion", "2 3", "'us-east-1, EU-west-1'",
        arrives=["us-east-1", "eu-west-1"],
        beside={**_CLOUDFRONT, f"{_STORED}.options.ipfilteredby": "awsregion"}),
)  # fmt: skip
