"""One packet for many: a row of a reused buffer for each receiver, the same payload under its own header and key.

Nothing is allocated for a receiver while packets go out: headers are written for all rows at once, libsrtp protects
each row where it lies, and one `sendmmsg` hands all of them to the kernel. Where the system has no such call, each row
is sent by itself.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.rtc import srtp_contract

HEADER = 12
"""Bytes of an RTP header without extensions (RFC 3550 section 5.1)."""
MAX_PAYLOAD = 1344
"""Longest payload: with header and SRTP trailer it fits what libsrtp's binding takes."""
STRIDE = 1600
"""Bytes between rows: a packet and its trailer; an odd number of cache lines, so that rows do not evict each other."""
FIRST_CAPACITY = 16

_SOCKADDR = 28
_libc = ctypes.CDLL(None, use_errno=True)
_sendmmsg: Any = getattr(_libc, "sendmmsg", None)


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_size_t), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr` of Linux."""

    _fields_ = (
        ("name", ctypes.c_size_t),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.c_size_t),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_size_t),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr` of Linux."""

    _fields_ = (("header", _Header), ("sent", ctypes.c_uint))


class RtpRows:
    """The receivers behind one socket. Rows are dense: when one goes, the last takes its place."""

    def __init__(self) -> None:
        self._handles: list[Any] = []
        self._addresses: list[tuple[str, int]] = []
        self._allocate(FIRST_CAPACITY)

    def __len__(self) -> int:
        return len(self._handles)

    def add(
        self, handle: Any, address: tuple[str, int], *, ssrc: int, payload_type: int, offset: int, origin: int
    ) -> None:
        """A receiver more, in the last row.

        `handle` protects its packets (`srtp_contract.handle`). Its sequence number is the packet's number plus
        `offset`, its RTP time the packet's time plus `origin`.
        """
        row = len(self._handles)
        if row == len(self._memory):
            self._allocate(2 * row)
        self._handles.append(handle)
        self._addresses.append(address)
        self._memory[row, 0] = 0x80
        self._types[row], self._offsets[row], self._origins[row] = payload_type, offset & 0xFFFF, origin & 0xFFFFFFFF
        self._ssrcs[row] = ssrc
        name = _socket_address(address)
        self._names[row, : len(name)] = np.frombuffer(name, np.uint8)
        self._messages[row].header.name_length = len(name)

    def remove(self, row: int) -> None:
        """The receiver in `row` goes; the last one is in its place from now on, with the packet written for it."""
        last = len(self._handles) - 1
        handle, address = self._handles.pop(), self._addresses.pop()
        if row != last:
            self._handles[row], self._addresses[row] = handle, address
            for table in (self._memory, self._names, self._types, self._offsets, self._origins, self._lengths):
                table[row] = table[last]
            self._messages[row].header.name_length = self._messages[last].header.name_length

    def write(self, payload: bytes, number: int, time: int, marker: bool) -> list[int]:
        """Write the packet with this number and time for everybody, and protect it.

        Returns the rows for which that failed: they have to be removed, and must not be sent.
        """
        count, size = len(self._handles), HEADER + len(payload)
        self._memory[:count, HEADER:size] = np.frombuffer(payload, np.uint8)
        self._memory[:count, 1] = self._types[:count] | (marker << 7)
        self._sequences[:count] = self._offsets[:count] + np.uint16(number & 0xFFFF)
        self._times[:count] = self._origins[:count] + np.uint32(time & 0xFFFFFFFF)
        self._lengths[:count] = size
        codes = list(map(srtp_contract.protect, self._handles, self._pointers, self._sizes))
        return [row for row, code in enumerate(codes) if code] if any(codes) else []

    def address(self, row: int) -> tuple[str, int]:
        """Where the packets of a row go."""
        return self._addresses[row]

    def datagram(self, row: int) -> tuple[bytes, tuple[str, int]]:
        """What was written for a row, and where it goes."""
        return self._memory[row, : self._lengths[row]].tobytes(), self._addresses[row]

    def transmit(self, using: socket.socket, first: int) -> tuple[int, int]:
        """Send the rows from `first` on: how many went out, and the error that stopped it there, 0 for none."""
        if _sendmmsg is None:
            return self._transmit_singly(using, first)
        count = len(self._handles)
        self._vector_lengths[first:count] = self._lengths[first:count]
        sent = _sendmmsg(
            using.fileno(), ctypes.byref(self._messages, first * ctypes.sizeof(_Message)), count - first, 0
        )
        return (0, ctypes.get_errno()) if sent < 0 else (sent, 0)

    # ---- private

    def _transmit_singly(self, using: socket.socket, first: int) -> tuple[int, int]:
        for row in range(first, len(self._handles)):
            try:
                using.sendto(self._memory[row, : self._lengths[row]].data, self._addresses[row])
            except OSError as error:
                return row - first, error.errno or errno.EIO
        return len(self._handles) - first, 0

    def _allocate(self, capacity: int) -> None:
        """Make room for `capacity` rows, and keep those that are there."""
        count = len(self._handles)
        before = self.__dict__.copy()
        self._memory = np.zeros((capacity, STRIDE), np.uint8)
        self._names = np.zeros((capacity, _SOCKADDR), np.uint8)
        self._types = np.zeros(capacity, np.uint8)
        self._offsets = np.zeros(capacity, np.uint16)
        self._origins = np.zeros(capacity, np.uint32)
        self._lengths = np.zeros(capacity, np.int32)
        self._vectors = (_Vector * capacity)()
        self._messages = (_Message * capacity)()
        for row in range(capacity):
            self._vectors[row].base = self._memory.ctypes.data + row * STRIDE
            message = self._messages[row].header
            message.name, message.vector_count = self._names.ctypes.data + row * _SOCKADDR, 1
            message.vectors = ctypes.addressof(self._vectors) + row * ctypes.sizeof(_Vector)
        for name in ("_memory", "_names", "_types", "_offsets", "_origins", "_lengths") if count else ():
            getattr(self, name)[:count] = before[name][:count]
        for row in range(count):
            self._messages[row].header.name_length = before["_messages"][row].header.name_length
        self._sequences = self._column(2, ">u2")
        self._times = self._column(4, ">u4")
        self._ssrcs = self._column(8, ">u4")
        lengths: NDArray[np.uintp] = np.ndarray((capacity, 2), np.uintp, memoryview(self._vectors).cast("B"))
        self._vector_lengths = lengths[:, 1]
        self._pointers, self._sizes = srtp_contract.pointers(self._memory, self._lengths)

    def _column(self, offset: int, kind: str) -> np.ndarray[Any, Any]:
        """The same field of the header of every row."""
        return np.ndarray(len(self._memory), kind, self._memory.data, offset, (STRIDE,))


def _socket_address(address: tuple[str, int]) -> bytes:
    """`struct sockaddr_in` or `sockaddr_in6` of Linux."""
    host, port = address[:2]
    if ":" not in host:
        return struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", port, socket.inet_aton(host))
    host, _, zone = host.partition("%")
    scope = (int(zone) if zone.isdigit() else socket.if_nametoindex(zone)) if zone else 0
    numeric = socket.inet_pton(socket.AF_INET6, host)
    return struct.pack("=H", socket.AF_INET6) + struct.pack("!HI16s", port, 0, numeric) + struct.pack("=I", scope)
