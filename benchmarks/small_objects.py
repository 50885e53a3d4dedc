"""Small objects through the drivers `s3` and `obstore`, and through s3fs as it is.

    python tests/services/run.py start seaweedfs
    python benchmarks/small_objects.py [--seconds S] [--rounds R] [--concurrency N]

Each operation runs for some seconds with N at once, on one bucket. The clients take turns, and
the table has the median of their rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import s3fs
import uvloop
from tests.real.drivers.s3_buckets import new_bucket
from tests.services.running import Service, find_service

from entrepot.core import Driver
from entrepot.core.streams import beginning, gather, once
from entrepot.drivers.s3 import S3Options, open_s3
from entrepot_obstore import ObstoreOptions, open_obstore

SIZE = 1024  # bytes of an object
KEYS = 64
OPERATIONS = ("write", "stat", "read 1 KiB", "read to the end")
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

        async def read_range(key: str) -> bytes:
            return await beginning(opened, key, SIZE)

        async def read_whole(key: str) -> bytes:
            return await gather(opened, key, SIZE)

        async def write(key: str) -> object:
            return await opened.write(key, once(bytes(SIZE)))

        yield dict(zip(OPERATIONS, (write, opened.stat, read_range, read_whole), strict=True))


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

    async def read_range(key: str) -> object:
        return await filesystem._cat_file(f"{bucket}/f/{key}", start=0, end=SIZE)

    async def read_whole(key: str) -> object:
        return await filesystem._cat_file(f"{bucket}/f/{key}")

    try:
        yield dict(zip(OPERATIONS, (write, stat, read_range, read_whole), strict=True))
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
    service: Service, seconds: float, rounds: int, concurrency: int
) -> AsyncIterator[tuple[str, str, Figure]]:
    with new_bucket(service) as bucket:
        async with AsyncExitStack() as stack:
            opened: dict[str, Client] = {
                name: await stack.enter_async_context(opening)
                for name, opening in clients(service, bucket).items()
            }
            for operation in OPERATIONS:
                seen: dict[str, list[Figure]] = {name: [] for name in opened}
                for _ in range(rounds):
                    for name, client in opened.items():
                        function = client[operation]
                        await asyncio.gather(*(function(f"k/{number}") for number in range(KEYS)))
                        seen[name].append(await measured(function, seconds, concurrency))
                for name, several in seen.items():
                    yield name, operation, middle(several)


def middle(several: list[Figure]) -> Figure:
    return Figure(median(one.rate for one in several), median(one.cpu for one in several))


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round (2)")
    parser.add_argument("--rounds", type=int, default=3, help="of each operation (3)")
    parser.add_argument("--concurrency", type=int, default=16, help="operations at once (16)")
    given = parser.parse_args()
    service = find_service("seaweedfs")
    if service is None:
        parser.exit(1, "seaweedfs does not run: python tests/services/run.py start seaweedfs\n")
    print("| operation | client | CPU ms | times s3fs | per second | times s3fs |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    base: dict[str, Figure] = {}
    found = figures(service, given.seconds, given.rounds, given.concurrency)
    async for name, operation, figure in found:
        first = base.setdefault(operation, figure)
        cpu = f"{figure.cpu:.2f} | {first.cpu / figure.cpu:.1f}"
        rate = f"{figure.rate:.0f} | {figure.rate / first.rate:.1f}"
        print(f"| {operation} | {name} | {cpu} | {rate} |")


if __name__ == "__main__":
    uvloop.run(main())
