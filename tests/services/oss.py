"""OSS: an imitation by this repository, and the vendor's own client to judge it by."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place
from tests.services.ports import HOST, answers

__all__ = ["OSS"]

_CLIENT = ("alibabacloud-oss-v2==1.4.1",)
_PROGRAM = Path(__file__).parents[2] / "drivers/entrepot-oss/tests/oss_fake.py"
_KEYS = {"accesskeyid": "testkey", "accesskeysecret": "testsecret", "region": "cn-test"}


def _start(place: Place) -> Mapping[str, str]:
    place.spawn("oss", sys.executable, _PROGRAM, str(place.port), *_KEYS.values())
    endpoint = f"http://{HOST}:{place.port}"
    place.wait("oss", lambda: answers(endpoint, statuses=(403,)))
    return {"endpoint": endpoint, "python": str(place.program("python")), **_KEYS}


OSS = Definition(
    name="oss",
    purpose="Alibaba Cloud OSS: an imitation in Python, with strict signatures",
    packages=_CLIENT,
    install=partial(packages.python, packages=_CLIENT),
    installed=lambda folder: any(folder.glob("venv/lib/*/site-packages/alibabacloud_oss_v2")),
    start=_start,
)
