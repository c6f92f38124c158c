"""Where a request comes from, and how: through proxies that the settings trust, and only through those.

Anybody can write `X-Forwarded-For`. A proxy appends to it whom it got the request from, so the list is read from its
end for as long as it was written by trusted proxies; what stands before that is what a stranger claims.
"""

from __future__ import annotations

import ipaddress
import re

from aiohttp import web

from server.config import Settings
from server.web.services import SERVICES

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MOST_HOPS = 20
ADDRESS = web.RequestKey("address", str)
_FORWARDED = re.compile(r'\bfor=(?:"([^"]{1,80})"|([^;,"\s]{1,80}))', re.IGNORECASE)
_PROTOCOL = re.compile(r'\bproto="?(https?)\b', re.IGNORECASE)


def client_address(request: web.Request) -> str:
    """The address of whoever asks; empty where there is none, as on a socket of this machine."""
    known = request.get(ADDRESS)
    if known is None:
        known = request[ADDRESS] = _client(request, request.app[SERVICES].settings.trusted_proxies)
    return known


def is_secure(request: web.Request) -> bool:
    """Whether the client's side of the connection is encrypted: by this server, or by a trusted proxy before it."""
    services = request.app[SERVICES]
    return services.secure or (_through_proxy(request, services.settings) and _forwarded_scheme(request) == "https")


def subnet(address: str) -> str:
    """Whom an address stands for: with IPv6 everybody has a whole network of them (RFC 6177)."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed is not None else ""


def is_trusted(address: str, proxies: list[Network]) -> bool:
    """Whether an address is a trusted proxy's."""
    parsed = _parse(address)
    return parsed is not None and _trusted(parsed, proxies)


def _client(request: web.Request, proxies: list[Network]) -> str:
    peer = _parse(request.remote or "")
    if peer is None:
        return ""
    if not _trusted(peer, proxies):
        return str(peer)
    found = {str(_walk(peer, hops, proxies)) for hops in (_x_forwarded_for(request), _forwarded(request)) if hops}
    # Two headers that contradict each other: one of them passed through the proxy as a stranger wrote it.
    return found.pop() if len(found) == 1 else str(peer)


def _walk(peer: Address, hops: list[str], proxies: list[Network]) -> Address:
    """From the nearest hop backwards to the first that is no proxy of ours, or that nobody can read."""
    nearest = peer
    for hop in reversed(hops[-MOST_HOPS:]):
        address = _parse(hop)
        if address is None:
            return nearest
        nearest = address
        if not _trusted(address, proxies):
            break
    return nearest


def _x_forwarded_for(request: web.Request) -> list[str]:
    return [hop for line in request.headers.getall("X-Forwarded-For", ()) for hop in line.split(",")]


def _forwarded(request: web.Request) -> list[str]:
    """RFC 7239: one element for each proxy; one that names nobody is kept, so that nothing before it is believed."""
    elements = [part for line in request.headers.getall("Forwarded", ()) for part in line.split(",")]
    found = [_FORWARDED.search(element) for element in elements]
    return [match.group(1) or match.group(2) if match else "unknown" for match in found]


def _forwarded_scheme(request: web.Request) -> str:
    """What the nearest proxy says that it was asked by; two headers that contradict each other say http."""
    said = set()
    lines = request.headers.getall("X-Forwarded-Proto", ())
    if lines:
        said.add(lines[-1].rsplit(",", 1)[-1].strip().lower())
    lines = request.headers.getall("Forwarded", ())
    if lines and (match := _PROTOCOL.search(lines[-1].rsplit(",", 1)[-1])):
        said.add(match.group(1).lower())
    return "https" if said == {"https"} else "http"


def _through_proxy(request: web.Request, settings: Settings) -> bool:
    peer = _parse(request.remote or "")
    return peer is not None and _trusted(peer, settings.trusted_proxies)


def _trusted(address: Address, proxies: list[Network]) -> bool:
    return any(address in network for network in proxies)


def _parse(text: str) -> Address | None:
    """An address, with or without brackets, port or zone; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed
