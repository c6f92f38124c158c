"""The least that fanning a packet out can cost in Python: header, SRTP and `sendto` for each receiver, nothing else."""

from __future__ import annotations

import multiprocessing
import selectors
import socket
import struct
import time
from multiprocessing.connection import Connection

from pylibsrtp import Policy, Session

from server.audio.opus import OpusEncoder
from server.bench.voice import babble
from server.clock import PACKET, SAMPLE_RATE

_HEADER = struct.Struct("!BBHLL")


def _drain(count: int, pipe: Connection) -> None:
    """Another process: read `count` sockets until it is ended."""
    selector, ports = selectors.DefaultSelector(), []
    for _ in range(count):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sink.bind(("127.0.0.1", 0))
        selector.register(sink, selectors.EVENT_READ)
        ports.append(sink.getsockname()[1])
    pipe.send(ports)
    while True:
        for key, _ in selector.select():
            key.fileobj.recv(2048)  # type: ignore[union-attr]


def floor(receivers: int, seconds: float = 3.0, *, pause: bool = True) -> float:
    """Microseconds of processor for each packet to so many sockets that another process reads.

    One goes to all of them every 20 ms; without a `pause` as many as in `seconds`, one after the other at once.
    """
    ours, theirs = multiprocessing.Pipe()
    reader = multiprocessing.get_context("spawn").Process(target=_drain, args=(receivers, theirs), daemon=True)
    reader.start()
    try:
        addresses = [("127.0.0.1", port) for port in ours.recv()]
        payload = OpusEncoder(channels=1, bitrate=32_000).encode(babble(0.02)[:PACKET])
        sessions = [Session(_policy()) for _ in addresses]
        beats = int(seconds * SAMPLE_RATE / PACKET)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
            source.setblocking(False)
            before = time.process_time()
            for number in range(beats):
                for session, address in zip(sessions, addresses, strict=True):
                    header = _HEADER.pack(0x80, 111, number, number * PACKET, 1)
                    source.sendto(session.protect(header + payload), address)
                if pause:
                    time.sleep(PACKET / SAMPLE_RATE)
            spent = time.process_time() - before
    finally:
        reader.terminate()
        reader.join()
    return spent / beats / receivers * 1e6


def _policy() -> Policy:
    """AES-256 in GCM, as aiortc's peers agree on."""
    return Policy(key=bytes(44), ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=Policy.SRTP_PROFILE_AEAD_AES_256_GCM)
