"""One UDP port for every peer of a process.

There is a socket for each address of this machine, so that an answer leaves from the address that was asked; what
they do with a datagram is told in `server.rtc.port_socket`. Addresses that are new are noticed when a peer comes; a
peer keeps to those that were there before it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import Counter
from collections.abc import Callable, Sequence

import aioice.ice

from server import metrics
from server.errors import Unavailable
from server.log import get_logger
from server.queues import Policy, Queue
from server.rtc.port_socket import Address, Owner, PortSocket

BUFFER = 4 << 20
"""Bytes that the kernel is asked to hold each way; it gives what it may."""
REFRESH_S = 1.0
REPORT_S = 10.0
REPORT_FROM = 500
"""Datagrams dropped within REPORT_S before the log says so."""
ATTEMPTS = 20
MAX_PENDING = 64
MAX_CHECKS = 65_536
"""Checks of ours, of all peers, that are not answered yet; each is given up after two seconds."""
RETRY_AFTER = 5
LOOPBACK = ("127.0.0.1", "::1")

PENDING = Queue(
    "pending_peers",
    "CLEARCAST_MAX_PENDING_PEERS",
    Policy.NEWEST,
    holds="peers whose connection does not stand yet, given up after 30 s",
    drop="Somebody was answered 503 and asked to come again in 5 s.",
)
CHECKS = Queue(
    "media_port_checks",
    MAX_CHECKS,
    Policy.NEWEST,
    holds="connectivity checks of ours that are not answered yet",
    drop="A peer's address is not checked, as if the check had been lost on the way.",
)

log = get_logger(__name__)


def local_addresses() -> list[str]:
    """Addresses of this machine, without those of loopback and of one link only; reads the system's tables."""
    return aioice.ice.get_host_addresses(use_ipv4=True, use_ipv6=True)


class Drops:
    """What came and was of no use, counted by reason; the log hears of a flood, not of a packet."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._metrics = {reason: metrics.UDP_DROPPED.labels(reason) for reason in metrics.UDP_DROP_REASONS}
        self._time = asyncio.get_running_loop().time
        self._since = self._time()
        self._before: Counter[str] = Counter()
        self._total = 0

    def add(self, reason: str) -> None:
        self.counts[reason] += 1
        self._metrics[reason].inc()
        self._total += 1
        now = self._time()
        if now - self._since >= REPORT_S:
            if self._total >= REPORT_FROM:
                log.warning(
                    "datagrams dropped",
                    seconds=round(now - self._since),
                    **{reason.replace(" ", "_"): number for reason, number in (self.counts - self._before).items()},
                )
            self._since, self._before, self._total = now, self.counts.copy(), 0


class UdpPort:
    """The shared port. `open`, then peers come and go, then `close`."""

    def __init__(
        self,
        local_addresses: Callable[[], list[str]],
        advertised: Sequence[tuple[str, int | None]],
        max_pending: int,
        tell_loopback: bool,
    ) -> None:
        self.number = 0
        self.sockets: dict[str, PortSocket] = {}
        self.transactions: dict[bytes, Owner] = {}
        """Checks of ours that are not answered yet, by their id."""
        self.pending = 0
        """Peers whose connection does not stand yet."""
        self._owners: dict[bytes, Owner] = {}
        self._local_addresses = local_addresses
        self._advertised = list(advertised)
        self._max_pending = max_pending
        self._tell_loopback = tell_loopback
        self._told: list[PortSocket] = []
        self._refreshed = -REFRESH_S
        self._drops = Drops()
        self._closed = False
        PENDING.measure(self, lambda port: port.pending, max_pending)
        CHECKS.measure(self, lambda port: len(port.transactions))

    @classmethod
    async def open(
        cls,
        number: int = 0,
        *,
        local_addresses: Callable[[], list[str]] = local_addresses,
        advertised: Sequence[tuple[str, int | None]] = (),
        max_pending: int = MAX_PENDING,
        tell_loopback: bool = True,
    ) -> UdpPort:
        """Bind `number` (0: any that is free) on every address of this machine.

        `local_addresses` finds them, loopback aside; it is called in a thread. `advertised` are the addresses (and
        ports) that peers are told instead of those. `tell_loopback`: peers are told of 127.0.0.1 and ::1 too.

        Raises Unavailable (code "port") where the port cannot be had.
        """
        port = cls(local_addresses, advertised, max_pending, tell_loopback)
        hosts = [*await asyncio.to_thread(local_addresses), *LOOPBACK]
        for attempt in range(1, ATTEMPTS + 1):
            try:
                bound = _bind_all(hosts, number)
            except OSError as error:
                if number == 0 and error.errno == errno.EADDRINUSE and attempt < ATTEMPTS:
                    continue
                raise Unavailable(_why_not(error, number), code="port") from None
            break
        port.number = next(iter(bound.values())).getsockname()[1]
        for host, found in bound.items():
            port.sockets[host] = PortSocket(port, host, found)
        port._choose(hosts)
        return port

    @property
    def drops(self) -> Counter[str]:
        """What was dropped, by reason."""
        return self._drops.counts

    @property
    def peers(self) -> int:
        return len(self._owners)

    @property
    def addresses(self) -> int:
        """Remote addresses that are known to belong to a peer."""
        return sum(len(found.routes) for found in self.sockets.values())

    def drop(self, reason: str) -> None:
        """Count a datagram that is thrown away."""
        self._drops.add(reason)

    def admit(self) -> Callable[[], None]:
        """Take a place for a peer that is about to connect; the result gives it back, once.

        Raises Unavailable (code "too-many-pending") when as many are on their way as may be.
        """
        if self.pending >= self._max_pending:
            PENDING.dropped += 1
            raise Unavailable(
                "Too many connections are being set up at the moment; try again in a few seconds.",
                code="too-many-pending",
                retry_after=RETRY_AFTER,
            )
        self._count_pending(1)
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._count_pending(-1)

        return give_back

    def owner_of(self, ufrag: bytes) -> Owner | None:
        return self._owners.get(ufrag)

    def holds(self, owner: Owner) -> bool:
        return self._owners.get(owner.ufrag) is owner

    def add(self, owner: Owner) -> None:
        """A peer begins; its `ufrag` must be its own."""
        self._owners[owner.ufrag] = owner
        metrics.UDP_PEERS.inc()

    def remove(self, owner: Owner) -> None:
        """A peer ends; its addresses are the caller's to forget."""
        if self.holds(owner):
            del self._owners[owner.ufrag]
            metrics.UDP_PEERS.dec()

    async def endpoints(self) -> list[Address]:
        """Where a peer that comes now may send to, the best first."""
        await self._refresh()
        if self._advertised:
            return [(host, port or self.number) for host, port in self._advertised]
        return [(found.host, self.number) for found in self._told]

    def close(self) -> None:
        """Let the port go. Peers that are still on it hear nothing more; they have to be closed."""
        self._closed = True
        for found in self.sockets.values():
            found.close()

    # ---- private

    def _count_pending(self, change: int) -> None:
        self.pending += change
        metrics.PEERS_PENDING.inc(change)

    async def _refresh(self) -> None:
        """Bind addresses that are new, drop those that are gone and unused."""
        now = asyncio.get_running_loop().time()
        if now - self._refreshed < REFRESH_S:
            return
        self._refreshed = now
        try:
            hosts = [*await asyncio.to_thread(self._local_addresses), *LOOPBACK]
        except OSError as error:  # no files left; what is bound already goes on
            log.warning("addresses cannot be read", reason=error.strerror)
            return
        if self._closed:
            return
        for host in hosts:
            if host not in self.sockets:
                try:
                    self.sockets[host] = PortSocket(self, host, _bind(host, self.number))
                except OSError as error:
                    log.debug("an address cannot be used", address=host, reason=os.strerror(error.errno or 0))
        for host in set(self.sockets) - set(hosts):
            if not self.sockets[host].routes:
                self.sockets.pop(host).close()
        self._choose(hosts)

    def _choose(self, hosts: list[str]) -> None:
        bound = [self.sockets[host] for host in dict.fromkeys(hosts) if host in self.sockets]
        outside = [found for found in bound if found.host not in LOOPBACK]
        self._told = bound if self._tell_loopback or not outside else outside


def _bind(host: str, number: int) -> socket.socket:
    v6 = ":" in host
    bound = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        if v6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            bound.setsockopt(socket.SOL_SOCKET, option, BUFFER)
        bound.setblocking(False)
        bound.bind((host, number))
    except OSError:
        bound.close()
        raise
    return bound


def _bind_all(hosts: Sequence[str], number: int) -> dict[str, socket.socket]:
    """The same port on every address; one that is not there (yet) is left out. Raises OSError."""
    bound: dict[str, socket.socket] = {}
    last: OSError | None = None
    for host in hosts:
        try:
            bound[host] = bound.get(host) or _bind(host, number)
            number = bound[host].getsockname()[1]
        except OSError as error:
            last = error
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                break
    else:
        if bound:
            return bound
    for found in bound.values():
        found.close()
    raise last or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def _why_not(error: OSError, number: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"UDP port {number} is in use by another program. CLEARCAST_ICE_UDP_PORT chooses another one, 0 any."
    if error.errno == errno.EACCES:
        return f"UDP port {number} needs more rights than this account has. Ports from 1024 on do not."
    return f"UDP port {number} cannot be had: {error.strerror}."
