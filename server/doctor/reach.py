"""How sound gets in and out: the one UDP port, the address that peers are told, firewalls."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.client.demo import running_server
from server.config import AdvertisedAddress, Settings
from server.doctor.findings import Finding, fails, look, ok
from server.errors import ClearcastError
from server.rtc.udp import UdpPort, local_addresses
from server.web.identity import is_loopback

SHARED = ipaddress.ip_network("100.64.0.0/10")
"""Given to many customers of one provider (RFC 6598): nobody outside reaches it."""
CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
UFW, FIREWALLD = Path("/etc/ufw/ufw.conf"), Path("/run/firewalld.pid")
NFT_S = 5.0


def udp_port(settings: Settings) -> Finding:
    """Whether the port of all audio can be had on every address of this machine."""
    name, number = "UDP port", settings.ice_udp_port
    if number == 0:
        what = "Any that is free at the start carries all audio (CLEARCAST_ICE_UDP_PORT=0)."
        if is_loopback(settings.host):
            return ok(name, what)
        return look(name, what, "No firewall and no router can be told which one to let through: choose one.")
    try:
        bound = asyncio.run(_bound(number))
    except ClearcastError as error:
        running = asyncio.run(running_server(settings))
        if running is not None:
            return ok(name, f"UDP port {number} is held by the Clearcast that runs at {running}.")
        return fails(name, error.message, "End that program, or choose another port.")
    return ok(name, f"UDP port {number} carries all audio; it is free at {', '.join(bound)}.", addresses=bound)


async def _bound(number: int) -> list[str]:
    port = await UdpPort.open(number)
    try:
        return list(port.sockets)
    finally:
        port.close()


def address(settings: Settings) -> Finding:
    """Whether peers can reach the address that they are told."""
    name, told = "address", settings.ice_advertised_address
    own = local_addresses()
    if told:
        return _advertised(told, own, settings.ice_udp_port)
    if is_loopback(settings.host):
        return ok(name, "Only browsers on this machine reach the server, at 127.0.0.1.", addresses=own)
    outside = [found for found in own if _is_public(found)]
    what = f"Peers are told this machine's own addresses: {', '.join(own) or 'none'}."
    if any(path.exists() for path in CONTAINER):
        remedy = "This looks like a container: set CLEARCAST_ICE_ADVERTISED_ADDRESS to the address of its host."
        return look(name, what, remedy, addresses=own)
    if not own:
        return look(name, what, "Connect it to a network; until then only this machine hears it.", addresses=own)
    if not outside:
        what += " They are good on the local network alone."
        return ok(name, f"{what} For others see CLEARCAST_ICE_ADVERTISED_ADDRESS.", addresses=own)
    return ok(name, what, addresses=own)


def _advertised(told: list[AdvertisedAddress], own: list[str], number: int) -> Finding:
    name = "address"
    shown = ", ".join(f"{item.host} port {item.port or number}" for item in told)
    what = f"Peers are told {shown} (CLEARCAST_ICE_ADVERTISED_ADDRESS)."
    data = {"addresses": [item.host for item in told]}
    for item in told:
        wrong = _implausible(item.host)
        if wrong:
            return look(name, what, f"{item.host} {wrong}.", **data)
    foreign = [item for item in told if item.host not in own]
    if foreign:
        way = ", ".join(f"UDP {item.port or number} of {item.host}" for item in foreign)
        inner = [found for found in own if ":" not in found] or own
        where = f"UDP {number} of {inner[0] if inner else 'this machine'}"
        what += f" That is not an address of this machine: its router has to forward {way} to {where}."
    return ok(name, what, **data)


def _implausible(host: str) -> str:
    """Why peers elsewhere cannot use an address; empty where they may."""
    found = ipaddress.ip_address(host)
    if found.is_loopback:
        return "is this machine itself: nobody else gets there"
    if found.is_link_local:
        return "is good on one cable only"
    if found.version == 4 and found in SHARED:
        return "is shared among customers of a provider: nobody outside gets there"
    if found.is_private and not _is_local(found):
        return "is kept for examples and tests: write the address at which this machine is reached"
    return ""


def _is_local(found: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Addresses of local networks (RFC 1918, RFC 4193), which people there do reach."""
    networks = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
    return any(found in network for network in map(ipaddress.ip_network, networks) if network.version == found.version)


def _is_public(host: str) -> bool:
    found = ipaddress.ip_address(host)
    return found.is_global and not (found.version == 4 and found in SHARED)


def firewall(settings: Settings) -> Finding:
    """Whether a firewall of this machine is likely to hold back what comes from others."""
    name = "firewall"
    if is_loopback(settings.host):
        return ok(name, "None matters: the server listens on this machine only.")
    tcp, udp = settings.port, settings.ice_udp_port
    ports = f"UDP port {udp} and TCP port {tcp}" if udp else f"any UDP port, and TCP port {tcp}"
    for program, active, allow in (
        ("ufw", _says(UFW, "ENABLED=yes"), f"`ufw allow {udp}/udp`, `ufw allow {tcp}/tcp`"),
        (
            "firewalld",
            FIREWALLD.exists(),
            f"`firewall-cmd --permanent --add-port={udp}/udp --add-port={tcp}/tcp`, `firewall-cmd --reload`",
        ),
    ):
        if active:
            what = f"{program} is active here; others are heard only if it lets {ports} in."
            return look(name, what, f"Where that is not done yet: {allow}.", program=program)
    chains = list(_dropping())
    if chains:
        what = (
            f"nftables drops what it does not know ({', '.join(chains)}); others are heard only if it lets {ports} in."
        )
        return look(name, what, "Where that is not done yet, add rules that accept them.", program="nftables")
    seen = "" if os.geteuid() == 0 and shutil.which("nft") else " Only root may look at the kernel's rules."
    return ok(name, f"None was found on this machine; others, in a router say, have to let {ports} in.{seen}")


def _says(path: Path, line: str) -> bool:
    try:
        return line in path.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return False


def _dropping() -> Iterator[str]:
    """Chains of the kernel's rules that drop what comes in unless a rule takes it."""
    try:
        done = subprocess.run(
            ["nft", "-j", "list", "chains"], capture_output=True, text=True, timeout=NFT_S, check=True
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["nftables"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return
    for chain in (item["chain"] for item in found if "chain" in item):
        if chain.get("hook") == "input" and chain.get("policy") == "drop":
            yield f"{chain['family']} {chain['table']} {chain['name']}"
