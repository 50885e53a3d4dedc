"""Files like those that Distribution ships: they load, or say only what is not there yet."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from entrepot.core.configuration import Loaded, load
from entrepot.core.errors import ConfigurationError

Load = Callable[..., Loaded]

IMAGE_2 = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""

IMAGE_3 = """\
version: 0.1
log:
  level: debug
  fields:
    service: registry
    environment: development
storage:
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
  tag:
    concurrencylimit: 5
http:
  addr: :5000
  debug:
    addr: :5001
    prometheus:
      enabled: true
      path: /metrics
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""

DEVELOPMENT = """\
version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
    delete: {enabled: true}
    cache: {blobdescriptor: inmemory}
    filesystem: {rootdirectory: /var/lib/registry}
    maintenance: {uploadpurging: {enabled: false}}
    tag: {concurrencylimit: 8}
http:
    addr: :5000
    debug: {addr: ':5001', prometheus: {enabled: true, path: /metrics}}
    headers: {X-Content-Type-Options: [nosniff]}
    http2: {disabled: true}
notifications:
    events: {includereferences: true}
    endpoints:
        - {name: local-5003, url: 'http://localhost:5003/callback', timeout: 1s, threshold: 10,
           backoff: 1s, disabled: true, headers: {Authorization: [Bearer an-example]}}
        - {name: local-8083, url: 'http://localhost:8083/callback', timeout: 1s, threshold: 10,
           backoff: 1s, disabled: true}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
"""

CACHE_2 = """\
version: 0.1
log: {level: debug, fields: {service: registry, environment: development}}
storage:
    cache: {blobdescriptor: redis}
    filesystem: {rootdirectory: /var/lib/registry-cache}
    maintenance: {uploadpurging: {enabled: false}}
http:
    addr: :5000
    secret: asecretforlocaldevelopment
    debug: {addr: 'localhost:5001'}
    headers: {X-Content-Type-Options: [nosniff]}
redis:
  addr: localhost:6379
  pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}
  dialtimeout: 10ms
  readtimeout: 10ms
  writetimeout: 10ms
notifications:
    events: {includereferences: true}
    endpoints: [{name: local, url: 'http://localhost:5003/callback', disabled: true}]
proxy: {remoteurl: 'https://registry-1.docker.io', username: username, password: password}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
"""

CACHE_3 = CACHE_2.replace("addr: localhost:6379", "addrs: [localhost:6379]").replace(
    "pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}",
    "maxidleconns: 16\n  poolsize: 64\n  connmaxidletime: 300s",
)

EXAMPLE = """\
version: 0.1
log: {fields: {service: registry}}
storage:
  cache: {blobdescriptor: inmemory}
  filesystem: {rootdirectory: /var/lib/registry}
  tag: {concurrencylimit: 8}
http: {addr: ':5000', headers: {X-Content-Type-Options: [nosniff]}}
auth: {htpasswd: {realm: basic-realm, path: /etc/registry}}
health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}}
"""

S3 = """\
version: 0.1
http:
    addr: :5000
    debug: {addr: ':5001', prometheus: {enabled: true, path: /metrics}}
    draintimeout: 5s
    secret: hmacsecret
log: {accesslog: {disabled: false}, fields: {environment: local}, formatter: text, level: debug}
storage:
  redirect: {disable: true}
  cache: {blobdescriptor: inmemory, blobdescriptorsize: 10000}
  maintenance: {uploadpurging: {enabled: false}}
  s3:
    region: us-east-1
    accesskey: distribution
    secretkey: password
    bucket: images-local
    rootdirectory: /registry-v2
    regionendpoint: http://minio:9000
    forcepathstyle: true
    encrypt: false
    secure: false
    chunksize: 33554432
    secure: true
    v4auth: true
    loglevel: debug
"""

EVERYTHING_2 = """\
version: 0.1
log:
  accesslog: {disabled: true}
  level: debug
  formatter: text
  fields: {service: registry, environment: staging}
  hooks:
    - type: mail
      disabled: true
      levels: [panic]
      options:
        smtp: {addr: 'mail.example.com:25', username: mailuser, password: password, insecure: true}
        from: sender@example.com
        to: [errors@example.com]
loglevel: debug
storage:
  azure: {accountname: accountname, accountkey: base64encodedaccountkey, container: containername}
  delete: {enabled: false}
  redirect: {disable: false}
  cache: {blobdescriptor: redis}
  maintenance:
    uploadpurging: {enabled: true, age: 168h, interval: 24h, dryrun: false}
    readonly: {enabled: false}
auth:
  token:
    autoredirect: true
    realm: token-realm
    service: token-service
    issuer: registry-token-issuer
    rootcertbundle: /root/certs/bundle
middleware:
  registry: [{name: ARegistryMiddleware, options: {foo: bar}}]
  repository: [{name: ARepositoryMiddleware, options: {foo: bar}}]
  storage:
    - name: cloudfront
      options:
        baseurl: https://my.cloudfronted.domain.com/
        privatekey: /path/to/pem
        keypairid: cloudfrontkeypairid
        duration: 3000s
        ipfilteredby: awsregion
        awsregion: us-east-1, use-east-2
        updatefrenquency: 12h
        iprangesurl: https://ip-ranges.amazonaws.com/ip-ranges.json
    - {name: redirect, options: {baseurl: 'https://example.com/'}}
reporting:
  bugsnag: {apikey: bugsnagapikey, releasestage: bugsnagreleasestage, endpoint: bugsnagendpoint}
  newrelic: {licensekey: newreliclicensekey, name: newrelicname, verbose: true}
http:
  addr: localhost:5000
  prefix: /my/nested/registry/
  host: https://myregistryaddress.org:5000
  secret: asecretforlocaldevelopment
  relativeurls: false
  draintimeout: 60s
  tls:
    certificate: /path/to/x509/public
    key: /path/to/x509/private
    clientcas: [/path/to/ca.pem, /path/to/another/ca.pem]
    minimumtls: tls1.0
    ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
    letsencrypt:
      cachefile: /path/to/cache-file
      email: emailused@letsencrypt.com
      hosts: [myregistryaddress.org]
  debug: {addr: 'localhost:5001', prometheus: {enabled: true, path: /metrics}}
  headers: {X-Content-Type-Options: [nosniff]}
  http2: {disabled: false}
notifications:
  events: {includereferences: true}
  endpoints:
    - name: alistener
      disabled: false
      url: https://my.listener.com/event
      headers: {}
      timeout: 1s
      threshold: 10
      backoff: 1s
      ignoredmediatypes: [application/octet-stream]
      ignore: {mediatypes: [application/octet-stream], actions: [pull]}
redis:
  addr: localhost:6379
  password: asecret
  db: 0
  dialtimeout: 10ms
  readtimeout: 10ms
  writetimeout: 10ms
  pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
  file: [{file: /path/to/checked/file, interval: 10s}]
  http:
    - uri: http://server.to.check/must/return/200
      headers: {Authorization: [Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==]}
      statuscode: 200
      timeout: 3s
      interval: 10s
      threshold: 3
  tcp: [{addr: 'redis-server.domain.com:6379', timeout: 3s, interval: 10s, threshold: 3}]
proxy: {remoteurl: 'https://registry-1.docker.io', username: username, password: password}
compatibility: {schema1: {signingkeyfile: /etc/registry/key.json, enabled: true}}
validation:
  manifests:
    urls: {allow: ['^https?://([^/]+\\.)*example\\.com/'], deny: ['^https?://www\\.example\\.com/']}
"""

EVERYTHING_3 = """\
version: 0.1
storage:
  gcs:
    bucket: bucketname
    keyfile: /path/to/keyfile
    credentials: {type: service_account, project_id: p, private_key: k, client_id: c}
    rootdirectory: /gcs/object/name/prefix
    chunksize: 5242880
  tag: {concurrencylimit: 8}
  cache: {blobdescriptor: redis, blobdescriptorsize: 10000}
auth:
  token:
    autoredirect: true
    realm: token-realm
    service: token-service
    issuer: registry-token-issuer
    rootcertbundle: /root/certs/bundle
    jwks: /path/to/jwks
    signingalgorithms: [EdDSA, HS256]
catalog: {maxentries: 1000}
tags: {maxtags: 1000}
http:
  addr: localhost:5000
  tls:
    certificate: /path/to/x509/public
    key: /path/to/x509/private
    clientcas: [/path/to/ca.pem]
    clientauth: require-and-verify-client-cert
    letsencrypt:
      directoryurl: https://acme-v02.api.letsencrypt.org/directory
  h2c: {enabled: false}
redis:
  tls: {certificate: /path/to/cert.crt, key: /path/to/key.pem, rootcas: [/path/to/ca.pem]}
  addrs: [localhost:6379]
  username: u
  password: asecret
  protocol: 3
  clientname: registry
  mastername: m
  sentinelusername: s
  sentinelpassword: p
  maxretries: 3
  minretrybackoff: 8ms
  maxretrybackoff: 512ms
  contexttimeoutenabled: true
  poolfifo: true
  poolsize: 64
  pooltimeout: 4s
  minidleconns: 1
  maxidleconns: 16
  maxactiveconns: 0
  connmaxidletime: 300s
  connmaxlifetime: 1h
  maxredirects: 3
  readonly: false
  routebylatency: false
  routerandomly: false
  disableidentity: false
  identitysuffix: x
  unstableresp3: false
proxy:
  remoteurl: https://registry-1.docker.io
  exec: {command: docker-credential-helper, lifetime: 1h}
  ttl: 168h
  cachewritetimeout: 5m
validation:
  disabled: false
  manifests:
    indexes: {platforms: list, platformlist: [{architecture: amd64, os: linux}]}
policy: {repository: {classes: [image, plugin]}}
"""


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        (IMAGE_2, ["health.storagedriver"]),
        (IMAGE_3, ["http.debug.addr", "health.storagedriver"]),
        (DEVELOPMENT, ["http.debug.addr", "health.storagedriver"]),
        (
            CACHE_2,
            ["http.debug.addr", "proxy.remoteurl", "storage.cache.blobdescriptor",
             "health.storagedriver"],
        ),
        (
            CACHE_3,
            ["http.debug.addr", "proxy.remoteurl", "storage.cache.blobdescriptor",
             "health.storagedriver"],
        ),
        (EXAMPLE, ["auth", "health.storagedriver"]),
        (S3, ["http.debug.addr"]),
        (
            EVERYTHING_2,
            ["auth", "http.tls", "http.tls.letsencrypt", "http.debug.addr",
             "notifications.endpoints", "proxy.remoteurl", "storage.cache.blobdescriptor",
             "storage.maintenance.uploadpurging", "health.storagedriver", "health.file",
             "health.http", "health.tcp", "middleware.registry", "middleware.repository",
             "middleware.storage"],
        ),
        (
            EVERYTHING_3,
            ["auth", "http.tls", "http.tls.letsencrypt", "proxy.remoteurl",
             "storage.cache.blobdescriptor", "policy.repository.classes",
             "validation.manifests.indexes.platforms"],
        ),
    ],
    ids=["image-2", "image-3", "development", "cache-2", "cache-3", "example", "s3",
         "everything-2", "everything-3"],
)  # fmt: skip
def test_shipped_file_says_only_what_is_not_there_yet(
    loaded: Load, text: str, missing: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(text)

    found = [mistake.split(": ", 1) for mistake in caught.value.mistakes]
    assert [path for path, _ in found] == missing
    assert all(rest.startswith("not available yet; ") for _, rest in found)


@pytest.mark.parametrize("text", [IMAGE_2, IMAGE_3])
def test_image_file_without_what_is_not_there_yet(loaded: Load, text: str) -> None:
    environ = {
        "REGISTRY_HEALTH_STORAGEDRIVER_ENABLED": "false",
        "REGISTRY_HTTP_DEBUG_ADDR": "",
        "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED": "false",
    }

    found = loaded(text, environ)

    assert found.notes == ()
    assert found.configuration.storage.driver == "filesystem"
    assert found.configuration.storage.parameters == {"rootdirectory": "/var/lib/registry"}
    assert found.configuration.http.headers == {"X-Content-Type-Options": ("nosniff",)}


def test_key_written_twice_as_in_a_shipped_file(loaded: Load) -> None:
    found = loaded(S3, {"REGISTRY_HTTP_DEBUG_ADDR": "", "REGISTRY_STORAGE_S3_REGION": "eu"})

    assert found.configuration.storage.parameters["secure"] is True
    assert found.configuration.storage.parameters["region"] == "eu"
    assert found.notes[0] == "secure: written twice; the last one counts [file config.yml line 23]"


def test_environment_of_a_plain_container() -> None:
    environ = {"REGISTRY_STORAGE_DELETE_ENABLED": "true", "REGISTRY_HTTP_ADDR": "0.0.0.0:5000"}

    configuration = load(None, environ).configuration

    assert configuration.storage.delete.enabled is True
    assert configuration.http.addr == "0.0.0.0:5000"
