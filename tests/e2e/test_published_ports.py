"""A server as in a container: on a bridge, one TCP and one UDP port published, its root file system read-only.

Three network namespaces: the server's, a router's with an address inside and one outside, and a client's that knows
only the latter. The router forwards the two ports once as container engines do without firewall rules, by a program,
and once by rewriting addresses.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

INSIDE, GATEWAY, PUBLIC, CLIENT = "10.88.0.2", "10.88.0.1", "203.0.113.7", "203.0.113.99"
WEB, MEDIA = 18080, 30189
"""The published ports; inside they are 8080 and 8189."""

RULES = f"""
table ip published {{
  chain incoming {{
    type nat hook prerouting priority -100
    ip daddr {PUBLIC} tcp dport {WEB} dnat to {INSIDE}:8080
    ip daddr {PUBLIC} udp dport {MEDIA} dnat to {INSIDE}:8189
  }}
}}
"""

# `ip netns exec` has made a mount namespace already; this one folder stays writable, as a volume does. The user is that
# of the image, without any right of root's.
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro / && shift && ! touch /here 2>&- && exec "$@"'
NOBODY = ("setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "--no-new-privs", "--bounding-set=-all")


class Net:
    """The namespaces, and processes in them."""

    def __init__(self) -> None:
        self.names = {role: f"cc-{role}-{os.getpid()}" for role in ("server", "router", "client")}
        self._processes: list[asyncio.subprocess.Process] = []

    async def ip(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec("ip", *arguments, stderr=subprocess.PIPE)
        _, errors = await process.communicate()
        if process.returncode:
            raise OSError(f"ip {' '.join(arguments)}: {errors.decode().strip()}")

    async def build(self) -> None:
        server, router, client = self.names.values()
        for name in self.names.values():
            await self.ip("netns", "add", name)
            await self.ip("-n", name, "link", "set", "lo", "up")
        for here, device, address, there, other, their in (
            (router, "in0", GATEWAY, server, "eth0", INSIDE),
            (router, "out0", PUBLIC, client, "eth0", CLIENT),
        ):
            await self.ip("-n", here, "link", "add", device, "type", "veth", "peer", "name", other, "netns", there)
            for name, end, its in ((here, device, address), (there, other, their)):
                await self.ip("-n", name, "address", "add", f"{its}/24", "dev", end)
                await self.ip("-n", name, "link", "set", end, "up")
        await self.ip("-n", server, "route", "add", "default", "via", GATEWAY)

    async def run(self, role: str, *command: str, **environment: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *("ip", "netns", "exec", self.names[role], *command),
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._processes.append(process)
        return process

    async def close(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.terminate()
                await process.communicate()
        for name in self.names.values():
            await self.ip("netns", "delete", name)


@pytest.fixture
async def net() -> AsyncIterator[Net]:
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("network namespaces need root and `ip` (apt-get install iproute2)")
    net = Net()
    try:
        await net.build()
    except OSError as error:
        await net.close()
        pytest.skip(f"no network namespaces here: {error}")
    yield net
    await net.close()


async def publish_by_program(net: Net) -> None:
    rules = (f"tcp:{WEB}:{INSIDE}:8080", f"udp:{MEDIA}:{INSIDE}:8189")
    forwarder = await net.run("router", sys.executable, "-m", "tests.e2e.outside", "forward", PUBLIC, *rules)
    assert forwarder.stdout is not None
    assert await asyncio.wait_for(forwarder.stdout.readline(), 90) == b"ready\n"


async def publish_by_rules(net: Net) -> None:
    nft = shutil.which("nft")
    if nft is None:
        pytest.skip("nft is not installed (apt-get install nftables)")
    setting = await net.run("router", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    await setting.communicate()
    rules = await net.run("router", nft, RULES)
    said, _ = await rules.communicate()
    if rules.returncode:
        pytest.skip(f"this kernel does not translate addresses: {said.decode().strip()}")


async def as_nobody(folder: Path) -> tuple[str, ...]:
    """What a command begins with to run as the user of the image; nothing where that user cannot read this Python."""
    for path in (folder, *folder.parents[:2]):  # of pytest's own, closed to others
        path.chmod(0o755)
    os.chown(folder, 10001, 10001)
    trial = [*NOBODY, sys.executable, "-c", "import server.app"]
    if not shutil.which("setpriv"):
        return ()
    tried = await asyncio.create_subprocess_exec(*trial, stderr=subprocess.DEVNULL)
    return NOBODY if await tried.wait() == 0 else ()


@pytest.mark.slow
@pytest.mark.parametrize("publish", [publish_by_program, publish_by_rules])
@pytest.mark.timeout(300)
async def test_audio_goes_both_ways_through_one_tcp_and_one_udp_port(net: Net, tmp_path: Path, publish: object) -> None:
    assert callable(publish)
    await publish(net)
    user = await as_nobody(tmp_path)
    server = await net.run(
        *("server", "sh", "-c", READ_ONLY, "sh", str(tmp_path), *user, sys.executable, "-m", "server", "serve"),
        CLEARCAST_DATA_DIR=str(tmp_path / "data"),
        CLEARCAST_HOST="0.0.0.0",
        CLEARCAST_ICE_UDP_PORT="8189",
        CLEARCAST_DENOISE="off",
        CLEARCAST_ICE_ADVERTISED_ADDRESS=f"{PUBLIC}:{MEDIA}",
    )
    url = f"http://{PUBLIC}:{WEB}"
    asking = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).status)"
    async with asyncio.timeout(120):
        while True:
            asked = await net.run("client", sys.executable, "-c", asking, f"{url}/health/live")
            if (await asked.communicate())[0].strip() == b"200":
                break
            assert server.returncode is None
            await asyncio.sleep(0.2)
    client = await net.run("client", sys.executable, "-m", "tests.e2e.outside", "talk", url)
    said, _ = await asyncio.wait_for(client.communicate(), 120)
    assert client.returncode == 0, said.decode()
    result = json.loads(said.splitlines()[-1])
    assert result["heard"] > 100
    assert result["missing"] == 0
    sockets = await net.run("server", "cat", "/proc/net/udp")
    bound = {line.split()[1].split(":")[1] for line in (await sockets.communicate())[0].decode().splitlines()[1:]}
    assert bound == {f"{8189:04X}"}
