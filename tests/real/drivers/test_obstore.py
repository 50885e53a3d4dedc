"""The conformance suite on `entrepot-obstore`, over servers that speak S3 and Azure's protocol."""

from __future__ import annotations

from collections.abc import Generator
from functools import partial

import pytest
from tests.real.drivers.obstore_stores import (
    azure_container,
    azure_options,
    s3_bucket,
    s3_options,
)
from tests.services.running import require_service

from entrepot.core.testing import DriverSuite, Opening
from entrepot_obstore import open_obstore


class _OnS3(DriverSuite):
    service = ""

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls) -> Generator[str, None, None]:
        with s3_bucket(require_service(cls.service)) as bucket:
            yield bucket

    @pytest.fixture
    def open_driver(self, bucket: str) -> Opening:
        return partial(open_obstore, s3_options(require_service(self.service), bucket))


class TestObstoreOnSeaweedFS(_OnS3):
    service = "seaweedfs"
    deviations = dict.fromkeys(
        (
            "test_scan_gives_keys_in_byte_order",
            "test_scan_after_a_key_there_is",
            "test_scan_after_a_key_there_is_not",
            "test_scan_delimiter_merges_prefixes_and_entries",
            "test_scan_delimiter_counts_behind_the_prefix",
            "test_scan_delimiter_after_a_prefix_it_gave",
            "test_scan_closed_early",
            "test_scans_at_once_do_not_disturb_each_other",
            "test_scan_agrees_with_sorting",
            "test_sift_of_all_is_a_scan",
            "test_sift_leaves_out_folders_that_it_asked_about",
            "test_write_every_kind_of_key",
        ),
        "SeaweedFS lists folder by folder, so `a/b` comes before `a-b`",
    )


@pytest.mark.wide
class TestObstoreOnMiniStack(_OnS3):
    service = "ministack"


@pytest.mark.wide
class TestObstoreOnMoto(_OnS3):
    service = "moto"


@pytest.mark.wide
class TestObstoreOnRGW(_OnS3):
    service = "rgw"
    deviations = dict.fromkeys(
        ("test_create_large", "test_create_existing"),
        "RGW wants a Content-Length where obstore copies a part without one",
    )


class TestObstoreOnAzurite(DriverSuite):
    @pytest.fixture(scope="class")
    @classmethod
    def container(cls) -> Generator[str, None, None]:
        with azure_container(require_service("azurite")) as container:
            yield container

    @pytest.fixture
    def open_driver(self, container: str) -> Opening:
        return partial(open_obstore, azure_options(require_service("azurite"), container))
