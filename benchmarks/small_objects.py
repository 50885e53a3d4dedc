"""Small objects through the drivers `s3` and `obstore`, and through s3fs as it is.

    python tests/services/run.py start seaweedfs
    python benchmarks/small_objects.py [--seconds S] [--concurrency N]

Each operation runs for some seconds with N at once, on one bucket, one client after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import s3fs
import uvloop
from tests.real.drivers.s3_buckets import new_bucket
from tests.services.running import Service, find_service

from entrepot.core import Driver
from entrepot.core.streams import gather, once
from entrepot.drivers.s3 import S3Options, open_s3
from entrepot_obstore import ObstoreOptions, open_obstore

SIZE = 1024  # bytes of an object
KEYS = 64
Operation = Callable[[str], Awaitable[object]]
Client = Mapping[str, Operation]


@dataclass(frozen=True, slots=True)
class Figure:
    """One operation of one client."""

    rate: float  # per second
    cpu: float  # milliseconds of this process for each


@asynccontextmanager
async def driver_client(opening: Any) -> AsyncGenerator[Client, None]:
    async with opening as driver:
        opened: Driver = driver

        async def read(key: str) -> bytes:
            return await gather(opened, key, SIZE)

        async def write(key: str) -> object:
            return await opened.write(key, once(bytes(SIZE)))

        yield {"write": write, "stat": opened.stat, "read": read}


@asynccontextmanager
async def s3fs_client(service: Service, bucket: str) -> AsyncGenerator[Client, None]:
    filesystem: Any = s3fs.S3FileSystem(
        key=service["accesskey"],
        secret=service["secretkey"],
        endpoint_url=service["endpoint"],
        asynchronous=True,
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    await filesystem.set_session()

    async def write(key: str) -> object:
        return await filesystem._pipe_file(f"{bucket}/f/{key}", bytes(SIZE))

    async def stat(key: str) -> object:
        return await filesystem._info(f"{bucket}/f/{key}", refresh=True)

    async def read(key: str) -> object:
        return await filesystem._cat_file(f"{bucket}/f/{key}", start=0, end=SIZE)

    try:
        yield {"write": write, "stat": stat, "read": read}
    finally:
        await filesystem._s3creator.__aexit__(None, None, None)


def clients(service: Service, bucket: str) -> dict[str, Any]:
    place = {"regionendpoint": service["endpoint"], "region": "us-east-1", "bucket": bucket}
    keys = {"accesskey": service["accesskey"], "secretkey": service["secretkey"]}
    s3_options = S3Options.model_validate(place | keys | {"rootdirectory": "/s"})
    obstore_options = ObstoreOptions(
        url=f"s3://{bucket}/o",
        config={
            "endpoint": service["endpoint"],
            "access_key_id": service["accesskey"],
            "secret_access_key": service["secretkey"],
        },
    )
    return {
        "s3fs as it is": s3fs_client(service, bucket),
        "driver s3": driver_client(open_s3(s3_options)),
        "driver obstore": driver_client(open_obstore(obstore_options)),
    }


async def measured(operation: Operation, seconds: float, concurrency: int) -> Figure:
    done = 0
    end = time.perf_counter() + seconds

    async def work(first: int) -> None:
        nonlocal done
        at = first
        while time.perf_counter() < end:
            await operation(f"k/{at % KEYS}")
            at += concurrency
            done += 1

    began, cpu = time.perf_counter(), cpu_seconds()
    async with asyncio.TaskGroup() as group:
        for number in range(concurrency):
            group.create_task(work(number))
    took = time.perf_counter() - began
    return Figure(done / took, (cpu_seconds() - cpu) * 1000 / done)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def figures(
    service: Service, seconds: float, concurrency: int
) -> AsyncIterator[tuple[str, str, Figure]]:
    with new_bucket(service) as bucket:
        for name, opening in clients(service, bucket).items():
            async with opening as client:
                for operation, function in client.items():
                    await asyncio.gather(*(function(f"k/{number}") for number in range(KEYS)))
                    yield name, operation, await measured(function, seconds, concurrency)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="for each operation (5)")
    parser.add_argument("--concurrency", type=int, default=16, help="operations at once (16)")
    given = parser.parse_args()
    service = find_service("seaweedfs")
    if service is None:
        parser.exit(1, "seaweedfs does not run: python tests/services/run.py start seaweedfs\n")
    print("| client | operation | per second | CPU ms | times s3fs, per CPU |")
    print("| --- | --- | ---: | ---: | ---: |")
    base: dict[str, Figure] = {}
    async for name, operation, figure in figures(service, given.seconds, given.concurrency):
        first = base.setdefault(operation, figure)
        ratio = first.cpu / figure.cpu
        print(f"| {name} | {operation} | {figure.rate:.0f} | {figure.cpu:.2f} | {ratio:.1f} |")


if __name__ == "__main__":
    uvloop.run(main())
