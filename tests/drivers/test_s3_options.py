"""What may stand in `storage.s3`, and what is said of mistakes in it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from entrepot.core import DriverOptions
from entrepot.drivers.s3 import S3Options

AWS = {"bucket": "b", "region": "eu-west-1"}
OTHER = {"bucket": "b", "regionendpoint": "http://127.0.0.1:9000"}
DISTRIBUTION = {
    "accesskey": "AK",
    "secretkey": "SK",
    "region": "us-west-1",
    "regionendpoint": "http://myobjects.local",
    "forcepathstyle": True,
    "accelerate": False,
    "usedualstack": False,
    "usefipsendpoint": False,
    "redirectendpoint": "https://public.example.org",
    "bucket": "bucketname",
    "encrypt": True,
    "keyid": "mykeyid",
    "secure": True,
    "v4auth": True,
    "skipverify": True,
    "chunksize": 5242880,
    "multipartcopychunksize": 33554432,
    "multipartcopymaxconcurrency": 100,
    "multipartcopythresholdsize": 33554432,
    "rootdirectory": "/s3/object/name/prefix",
    "storageclass": "standard_ia",
    "objectacl": "private",
    "useragent": "agent",
    "loglevel": "debugwithsigning",
}


def test_timeout_is_some_time() -> None:
    with pytest.raises(ValidationError, match="some time"):
        S3Options.model_validate(AWS | {"timeout": "0s"})


def test_every_key_of_distribution_is_taken() -> None:
    options = S3Options.model_validate(DISTRIBUTION)

    assert options.rootdirectory == "s3/object/name/prefix"
    assert options.storageclass == "STANDARD_IA"


def test_defaults_are_those_of_distribution() -> None:
    options = S3Options.model_validate(AWS)

    assert options.chunksize == 5 * 1024 * 1024
    assert options.multipartcopychunksize == options.multipartcopythresholdsize == 32 * 1024 * 1024
    assert options.multipartcopymaxconcurrency == 100
    assert (options.secure, options.skipverify, options.v4auth) == (True, False, True)
    assert (options.storageclass, options.objectacl, options.loglevel) == (
        "STANDARD",
        "private",
        "off",
    )


def test_off_without_quotes_is_false_to_yaml() -> None:
    assert S3Options.model_validate(AWS | {"loglevel": False}).loglevel == "off"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bucket": "b"}, "region is required"),
        ({"region": "eu-west-1"}, "bucket"),
        (AWS | {"accesskey": "AK"}, "accesskey and secretkey belong together"),
        (AWS | {"secretkey": "SK"}, "accesskey and secretkey belong together"),
        (AWS | {"sessiontoken": "T"}, "sessiontoken belongs to"),
        (AWS | {"keyid": "k"}, "keyid has an effect only with encrypt"),
        (AWS | {"chunksize": 5 * 1024 * 1024 - 1}, "greater than or equal to 5242880"),
        (AWS | {"chunksize": 6 * 1024**3}, "less than or equal to"),
        (AWS | {"storageclass": "COLD"}, "ONEZONE_IA"),
        (AWS | {"objectacl": "everybody"}, "bucket-owner-read"),
        (AWS | {"loglevel": "loud"}, "debugwithsigning"),
        (AWS | {"multipartcopymaxconcurrency": 0}, "greater than or equal to 1"),
        (AWS | {"accelerate": True, "forcepathstyle": True}, "does not work with forcepathstyle"),
        (AWS | {"bucket": "one--use1-az4--x-s3"}, "directory buckets"),
        (AWS | {"redirectendpoint": "https://a.example/path"}, "scheme and host only"),
        (AWS | {"redirectendpoint": "a.example"}, "scheme and host only"),
        (OTHER | {"accelerate": True}, "accelerate chooses an endpoint of AWS"),
        (OTHER | {"usedualstack": True}, "usedualstack chooses an endpoint of AWS"),
        (OTHER | {"regionendpoint": "ftp://host"}, "must be a URL"),
        (OTHER | {"regionendpoint": "http://user:word@host"}, "no user"),
        (AWS | {"acceskey": "AK"}, "acceskey"),
    ],
)
def test_mistakes_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as raised:
        S3Options.model_validate(given)

    assert said in str(raised.value)


def test_secrets_are_not_shown() -> None:
    given = OTHER | {"accesskey": "AK", "secretkey": "very-secret", "sessiontoken": "as-secret"}
    options = S3Options.model_validate(given)

    for text in (repr(options), str(options), options.model_dump_json()):
        assert "very-secret" not in text
        assert "as-secret" not in text


def test_every_key_is_described() -> None:
    fields = S3Options.model_fields

    assert issubclass(S3Options, DriverOptions)
    assert [name for name, field in fields.items() if not field.description] == []
