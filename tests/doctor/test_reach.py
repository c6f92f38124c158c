"""What `clearcast doctor` says of the way that sound takes: port, address, firewall."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from server.config import Settings, load_settings
from server.doctor import reach
from server.doctor.findings import State
from tests.conftest import free_port

RULES = "add table inet guard; add chain inet guard in { type filter hook input priority 0; policy drop; }"
ASK = (
    "import json; from dataclasses import asdict; from server.config import load_settings; "
    "from server.doctor import reach; print(json.dumps(asdict(reach.firewall(load_settings(host='0.0.0.0')))))"
)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    return lambda **values: load_settings(**{"data_dir": tmp_path, "port": free_port(), **values})


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that is no container and has no firewall's files."""
    monkeypatch.setattr(reach, "CONTAINER", (tmp_path / "dockerenv",))
    monkeypatch.setattr(reach, "UFW", tmp_path / "ufw.conf")
    monkeypatch.setattr(reach, "FIREWALLD", tmp_path / "firewalld.pid")
    monkeypatch.setattr(reach, "_dropping", list)


@pytest.fixture
def taken() -> Iterator[int]:
    """A UDP port that another program holds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def test_the_port_of_all_audio_is_tried(settings: Callable[..., Settings], taken: int) -> None:
    fine = reach.udp_port(settings(ice_udp_port=free_port()))
    assert fine.state is State.OK
    assert "127.0.0.1" in fine.data["addresses"]
    refused = reach.udp_port(settings(ice_udp_port=taken))
    assert refused.state is State.FAILS
    assert str(taken) in refused.what and "in use" in refused.what
    assert reach.udp_port(settings(ice_udp_port=0)).state is State.OK
    assert reach.udp_port(settings(ice_udp_port=0, host="0.0.0.0")).state is State.LOOK


@pytest.mark.parametrize(
    ("told", "state", "says"),
    [
        ("192.168.1.5", State.OK, "has to forward UDP 8189 of 192.168.1.5"),
        ("8.8.4.4:30189", State.OK, "has to forward UDP 30189 of 8.8.4.4 to UDP 8189"),
        ("127.0.0.1", State.LOOK, "this machine itself"),
        ("203.0.113.7", State.LOOK, "examples"),
        ("100.64.1.2", State.LOOK, "provider"),
        ("169.254.3.4", State.LOOK, "one cable"),
        ("fd00::17", State.OK, "forward"),
        ("2001:db8::1", State.LOOK, "examples"),
    ],
)
def test_an_advertised_address_is_weighed(
    settings: Callable[..., Settings], told: str, state: State, says: str
) -> None:
    found = reach.address(settings(host="0.0.0.0", ice_udp_port=8189, ice_advertised_address=told))
    assert found.state is state, found
    assert says in found.what + found.remedy


def test_an_address_of_this_machine_needs_no_router(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "local_addresses", lambda: ["192.168.1.5"])
    found = reach.address(settings(host="0.0.0.0", ice_advertised_address="192.168.1.5"))
    assert found.state is State.OK and "router" not in found.what


@pytest.mark.usefixtures("nowhere")
def test_addresses_of_its_own(settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    def say(*own: str) -> Any:
        monkeypatch.setattr(reach, "local_addresses", lambda: list(own))
        return reach.address(settings(host="0.0.0.0"))

    assert "local network alone" in say("192.168.1.5").what
    assert "local network alone" not in say("8.8.4.4").what
    assert say().state is State.LOOK
    assert reach.address(settings()).what.startswith("Only browsers on this machine")
    reach.CONTAINER[0].touch()
    found = say("172.17.0.2")
    assert found.state is State.LOOK and "CLEARCAST_ICE_ADVERTISED_ADDRESS" in found.remedy


@pytest.mark.usefixtures("nowhere")
def test_firewalls_that_are_known_by_name(settings: Callable[..., Settings]) -> None:
    own = settings(host="0.0.0.0", ice_udp_port=8189)
    assert reach.firewall(own).state is State.OK
    reach.UFW.write_text("# on or off\nENABLED=no\n")
    assert reach.firewall(own).state is State.OK
    reach.UFW.write_text("ENABLED=yes\nLOGLEVEL=low\n")
    found = reach.firewall(own)
    assert found.state is State.LOOK and "ufw allow 8189/udp" in found.remedy
    reach.UFW.unlink()
    reach.FIREWALLD.write_text("77\n")
    assert "--add-port=8189/udp" in reach.firewall(own).remedy
    assert reach.firewall(settings()).state is State.OK  # nobody from elsewhere gets to it anyway


def test_the_kernels_own_rules_are_seen(tmp_path: Path) -> None:
    if os.geteuid() or not shutil.which("nft") or not shutil.which("ip"):
        pytest.skip("namespaces with rules of their own need root, `ip` and `nft` (apt-get install iproute2 nftables)")
    name = f"cc-doctor-{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces here")
    try:
        inside = ["ip", "netns", "exec", name]

        def asked() -> dict[str, Any]:
            found = subprocess.run(
                [*inside, sys.executable, "-c", ASK], capture_output=True, text=True, check=True, cwd=tmp_path
            )
            answer: dict[str, Any] = json.loads(found.stdout)
            return answer

        assert asked()["data"].get("program") != "nftables"
        made = subprocess.run([*inside, "nft", RULES], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"this kernel has no such rules: {made.stderr.strip()}")
        after = asked()
        assert (after["state"], after["data"]["program"]) == ("look", "nftables")
        assert "inet guard in" in after["what"]
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
