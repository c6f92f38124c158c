"""The process that takes the noise out of files: started when somebody asks, gone when nobody does.

It has the weights of the live denoiser and nothing else in common with it: no live hop ever waits for a file. It runs
after everything else, on one thread. Rows of a batch are advanced together (see `uploads.rows`), which is what makes a
file many times faster than a live stream. Nothing is remembered from one batch to the next.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from server.clock import HOP
from server.errors import ClearcastError
from server.inference.captioning.wire import BadFrame, Floats, Frame, FrameReader, encode
from server.inference.denoiser import Denoiser, load_denoiser
from server.inference.worker import die_with_parent
from server.log import configure_logging, get_logger
from server.process import lower_priority

MOST_ROWS = 32
IDLE_S = 30.0
"""Without anybody connected for so long, the process ends."""
NICE = 10


class Rows:
    """Denoises batches of rows."""

    def __init__(self, denoiser: Denoiser) -> None:
        self._denoiser = denoiser
        self.delay = denoiser.delay
        self.name = denoiser.name

    def clean(self, rows: Sequence[NDArray[np.float32]], lead: int, first: bool) -> list[Floats]:
        """Rows of one length, in whole hops, without their first `lead` and their last `delay` samples.

        `first`: the first row begins after its `lead`, with a denoiser that has heard nothing.
        """
        hops = np.stack(rows).reshape(len(rows), -1, HOP)
        slots = [self._denoiser.add() for _ in rows]
        skip = (lead + self.delay) // HOP
        out = np.empty((len(rows), hops.shape[1] - skip, HOP), np.float32)
        try:
            for number in range(hops.shape[1]):
                if first and number == lead // HOP:
                    self._denoiser.reset(slots[0])
                clean = self._denoiser.step(slots, hops[:, number])
                if number >= skip:
                    out[:, number - skip] = clean
        finally:
            for slot in slots:
                self._denoiser.remove(slot)
        return list(out.reshape(len(rows), -1))


class _Client:
    """One connection: rows in, a word to begin, rows out."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.reader = FrameReader()
        self.rows: list[Floats] = []

    def take(self, frame: Frame, work: Rows) -> None:
        """Raises BadFrame, KeyError, OSError."""
        if frame.kind == "row" and len(frame.arrays) == 1 and len(self.rows) < MOST_ROWS:
            self.rows.append(frame.arrays[0])
            return
        lead, lengths = int(frame.values["lead"]), {row.shape for row in self.rows}
        fits = len(lengths) == 1 and all(len(shape) == 1 and shape[0] % HOP == 0 for shape in lengths)
        if frame.kind != "clean" or not fits or lead % HOP or not 0 <= lead < len(self.rows[0]) - work.delay:
            raise BadFrame("that is nothing that can be denoised")
        rows, self.rows = self.rows, []
        for clean in work.clean(rows, lead, bool(frame.values["first"])):
            self.connection.sendall(encode("row", {}, [clean]))


def serve(listener: socket.socket, work: Rows, idle_s: float = IDLE_S) -> None:
    """Answer whoever connects, one batch after the other, until nobody is there for a while."""
    clients: dict[int, _Client] = {}
    alone_since = time.monotonic()
    listener.setblocking(False)
    while clients or time.monotonic() - alone_since < idle_s:
        ready, _, _ = select.select([listener.fileno(), *clients], [], [], 1.0)
        for who in ready:
            if who == listener.fileno():
                with contextlib.suppress(BlockingIOError):
                    _greet(listener, clients, work)
            elif not _heard(clients[who], work):
                clients.pop(who).connection.close()
                alone_since = time.monotonic()


def _greet(listener: socket.socket, clients: dict[int, _Client], work: Rows) -> None:
    connection, _ = listener.accept()
    connection.setblocking(True)
    clients[connection.fileno()] = _Client(connection)
    with contextlib.suppress(OSError):  # who is gone already is noticed when nothing more comes
        connection.sendall(encode("hello", {"engine": work.name, "delay": work.delay}))


def _heard(client: _Client, work: Rows) -> bool:
    """Whether the client is still there."""
    try:
        data = client.connection.recv(1 << 20)
        for frame in client.reader.feed(data):
            client.take(frame, work)
    except (OSError, BadFrame, KeyError, TypeError, ValueError) as error:
        get_logger(__name__).warning("a client of the file denoiser is closed", reason=str(error))
        return False
    return bool(data)


def main() -> int:
    """Run the process; 0 when nobody needs it any more, 1 where it could not begin."""
    parser = argparse.ArgumentParser(prog="python -m server.inference.file_denoising")
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    parser.add_argument("--config", required=True, help="JSON: engine, model_dir, levelling, log_level, log_format")
    options = parser.parse_args()
    config = json.loads(options.config)
    die_with_parent(options.parent)
    os.environ["OMP_NUM_THREADS"] = "1"
    lower_priority(NICE)
    configure_logging(config["log_level"], config["log_format"])
    log = get_logger(__name__)
    folder = Path(config["model_dir"]) if config["model_dir"] else None
    try:
        denoiser = load_denoiser(config["engine"], folder, "cpu", 1, capacity=MOST_ROWS, levelling=config["levelling"])
    except ClearcastError as error:
        log.error("files cannot be denoised", reason=error.message)
        return 1
    log.info("files are denoised", engine=denoiser.name)
    serve(socket.socket(fileno=options.listener), Rows(denoiser))
    return 0


if __name__ == "__main__":
    sys.exit(main())
