"""Our image built and run, the proxy before two replicas, the service unit."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.real import engines
from tests.real.engines import Engine
from tests.real.nginx import certificate, proxy
from tests.real.programs import require_tool, run
from tests.real.registry import Registry
from tests.real.servers import StartEntrepot, answers, free_port
from tests.tools.base import base_archive
from tests.tools.images import Image
from tests.tools.install import TOP

FILES = TOP / "docs" / "deployment"
BASE = "localhost/python-base"
IMAGE = "localhost/entrepot-test"
PLUGINS = ("entrepot-obstore", "entrepot-swift")
SMALL = 260 * 1000 * 1000  # bytes that may be put upon the base
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096")
ALONE = ("--network", "host", "--no-healthcheck", *LIMITS, "--read-only", "--tmpfs", "/tmp")


def trusting(folder: Path) -> tuple[str, ...]:
    """Lets pip in the build trust what pip here trusts."""
    trusted = os.environ.get("PIP_CERT")
    if not trusted:
        return ()
    settings = folder / "pip.conf"
    settings.write_text("[global]\ncert = /trusted.pem\n")
    return ("-v", f"{settings}:/etc/pip.conf:ro", "-v", f"{trusted}:/trusted.pem:ro")


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Generator[Engine, None, None]:
    """podman with our image, built as its first lines say."""
    with engines.storage("podman") as podman:
        require_tool("debootstrap")
        podman("import", base_archive(), BASE)
        command: tuple[str | Path, ...] = (
            *(*podman.client, "build", "--isolation", "chroot", "--network", "host"),
            *("--format", "docker", "--build-arg", f"PYTHON={BASE}"),
            *("--build-arg", f"PLUGINS={' '.join(PLUGINS)}"),
            *trusting(tmp_path_factory.mktemp("pip")),
            *("-f", FILES / "Dockerfile", "-t", IMAGE, TOP),
        )
        run(*command, env=podman.env, timeout=600)
        yield podman


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A folder that the image's user owns."""
    folder = tmp_path / "volume"
    folder.mkdir()
    os.chown(folder, 10001, 10001)
    return folder


@contextmanager
def container(
    podman: Engine, volume: Path, *arguments: str
) -> Generator[tuple[str, subprocess.Popen[bytes]], None, None]:
    """The image runs; gives its address and the process that waits for it."""
    address = f"127.0.0.1:{free_port()}"
    given = ("-e", f"REGISTRY_HTTP_ADDR={address}", "-v", f"{volume}:/var/lib/registry")
    command = (*podman.client, "run", "--rm", "--name", "one", *ALONE, *given, IMAGE, *arguments)
    with subprocess.Popen(command, env=podman.env) as process:
        try:
            deadline = time.monotonic() + 30
            while not answers(f"http://{address}/v2/"):
                assert process.poll() is None, "the container ended"
                assert time.monotonic() < deadline, "the container does not answer"
                time.sleep(0.1)
            yield address, process
        finally:
            process.terminate()
            process.wait(30)


def test_image_is_pushed_to_and_keeps_all_in_its_volume(
    podman: Engine, volume: Path, image: Callable[[str], Image]
) -> None:
    pushed = image("many")
    for attempt in (1, 2):
        with container(podman, volume) as (address, process), Registry(f"http://{address}") as api:
            if attempt == 1:
                copy = (require_tool("skopeo"), "--insecure-policy", "copy", "--preserve-digests")
                to = ("--dest-tls-verify=false", pushed.source, f"docker://{address}/a/b:1")
                run(*copy, *to, env=podman.env)
            manifests, blobs = api.verify("a/b", "1")
            assert manifests | blobs == pushed.manifests | pushed.blobs
            podman("exec", "one", "entrepot", "alive")
            assert "uid=10001" in podman("exec", "one", "id")
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0


def test_image_answers_under_both_names_and_to_both_configurations(
    podman: Engine, volume: Path
) -> None:
    for path in ("/etc/docker/registry/config.yml", "/etc/distribution/config.yml"):
        for arguments in ((path,), ("serve", path), ("registry", "serve", path)):
            with container(podman, volume, *arguments) as (address, _):
                assert answers(f"http://{address}/")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--version",), "entrepot "), (("help",), "Usage"), (("config", "check"), "good")],
)
def test_image_takes_commands(podman: Engine, arguments: tuple[str, ...], said: str) -> None:
    assert said in podman("run", "--rm", *ALONE, IMAGE, *arguments)


def test_image_has_the_plugins_it_was_built_with(podman: Engine) -> None:
    rows = podman("run", "--rm", *ALONE, IMAGE, "plugins").splitlines()

    found = {row.split()[1]: row.split()[-1] for row in rows if row.split()[1] != "entrepot"}
    assert found == {"package": "status"} | dict.fromkeys(PLUGINS, "ok")


def test_image_is_small_and_says_what_it_is(podman: Engine) -> None:
    sizes = {
        name: int(podman("image", "inspect", "--format", "{{.Size}}", name))
        for name in (IMAGE, BASE)
    }
    health = podman("image", "inspect", "--format", "{{.HealthCheck.Test}}", IMAGE)

    assert sizes[IMAGE] - sizes[BASE] < SMALL
    assert "entrepot alive" in health


def test_proxy_hands_requests_to_both_replicas(
    entrepot_server: StartEntrepot,
    tmp_path: Path,
    image: Callable[[str], Image],
    env: dict[str, str],
) -> None:
    root, port = tmp_path / "root", free_port()
    settings = {
        "storage": {"filesystem": {"rootdirectory": str(root)}},
        "http": {"host": f"https://127.0.0.1:{port}"},
    }
    replicas = [entrepot_server(settings), entrepot_server(settings)]
    config = (FILES / "nginx.conf").read_text()
    for number, replica in enumerate(replicas, 1):
        config = config.replace(f"registry-{number}:5000", replica.address)
    secrets = certificate(tmp_path)
    config = config.replace("/run/secrets", str(secrets)).replace("443", f"127.0.0.1:{port}")
    config = config.replace("http2 on;", "").replace("/dev/stdout", str(tmp_path / "access.log"))
    (tmp_path / "nginx.conf").write_text(f"daemon off;\npid {tmp_path}/pid;\n{config}")

    with proxy(tmp_path, port):
        reference = f"docker://127.0.0.1:{port}/a/b:1"
        copy = (require_tool("skopeo"), "--insecure-policy", "copy", "--preserve-digests")
        run(*copy, "--dest-cert-dir", secrets, image("many").source, reference, env=env)
        run(*copy, "--src-cert-dir", secrets, reference, f"oci:{tmp_path}/pulled:1", env=env)

    served = [replica.log.read_text().count("/v2/a/b/blobs/") for replica in replicas]
    assert min(served) > 0


def test_service_unit_is_good_and_keeps_the_registry_in(tmp_path: Path) -> None:
    program = tmp_path / "entrepot"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "entrepot.service"
    text = (FILES / "entrepot.service").read_text()
    unit.write_text(text.replace("/opt/entrepot/bin/entrepot", str(program)))
    analyze = require_tool("systemd-analyze")

    assert run(analyze, "verify", "--man=no", unit) == ""
    judged = run(analyze, "security", "--offline=true", "--threshold=30", unit)

    assert "entrepot.service" in judged
