"""The caption worker: a process that loads the models once and hears all streams of the machine.

Started by the supervisor as `python -m server.inference.captioning.worker`. It says what becomes of it, and every half
second that it lives, as lines of JSON on the control socket; streams come over a socket of the server's and, where the
configuration names one, from other processes of this machine over a Unix socket. The event loop only carries bytes and
decides; models work in threads beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.clock import SAMPLE_RATE
from server.inference.captioning.engine import Engine, Key, Told, clock
from server.inference.captioning.local_socket import bound
from server.inference.captioning.models import Condition, Models
from server.inference.captioning.peer import Peer
from server.inference.captioning.settings import CaptionWorkerConfig
from server.inference.worker import die_with_parent, run, say
from server.log import configure_logging, get_logger
from server.process import lower_priority

FIRST = 1
"""Number of the server's own connection."""
BEAT_S = 0.5
STUCK_S = 180.0
"""A model that is at one batch for so long does not come back: the slowest that is of any use takes a sixth of it."""
FIGURES_BEATS = 2
"""Beats between two reports of figures."""


def now() -> int:
    """The worker's clock, 48 kHz samples."""
    return clock(time.monotonic())


@dataclass
class Pulse:
    """Signs of life and figures on the control socket."""

    control: socket.socket
    engine: Engine
    models: Models
    told: Condition
    busy: int = 0
    heard: int = 0
    at: int = 0
    beats: int = 0

    async def beat(self) -> None:
        self.at = now()
        while True:
            await asyncio.sleep(BEAT_S)
            self.beats += 1
            say(self.control, event="beat")
            if self.engine.at_it > STUCK_S * SAMPLE_RATE:
                say(self.control, event="failed", code="hang", message="A model has been at one window for too long.")
                return
            if self.beats % FIGURES_BEATS == 0:
                self._figures()
            if (condition := self.models.condition()) != self.told:
                self.told = condition
                say(self.control, event="changed", device=condition.device, detail=condition.detail)

    def _figures(self) -> None:
        engine, at = self.engine, now()
        worked, heard = engine.busy - self.busy, engine.heard - self.heard
        share = worked / max(1, at - self.at)
        self.busy, self.heard, self.at = engine.busy, engine.heard, at
        say(
            self.control,
            event="figures",
            backlog=engine.backlog,
            busy=round(share, 4),
            rtf=round(worked / heard, 4) if heard else 0.0,
            step=engine.step,
            dropped=engine.dropped,
            streams=len(engine.keys()),
        )


class Worker:
    """The models, whoever is connected, and what goes between them."""

    def __init__(self, models: Models, config: CaptionWorkerConfig, control: socket.socket) -> None:
        self.engine = Engine(models, config.transcriber_options(), config.batch, now, self._tell, self._begins)
        self._control = control
        self._peers: dict[int, Peer] = {}
        self._numbers = 0

    def peer(self) -> Peer:
        """Somebody who connects."""
        self._numbers += 1
        peer = Peer(self._numbers, self.engine, self._gone)
        self._peers[self._numbers] = peer
        return peer

    def _gone(self, number: int) -> None:
        self._peers.pop(number, None)

    def _begins(self, keys: Sequence[Key]) -> None:
        """Tell the server which of its lanes the recogniser hears: if the process dies of it, it knows of what."""
        say(self._control, event="hearing", lanes=[lane for number, lane in keys if number == FIRST])

    def _tell(self, key: Key, told: Told) -> None:
        peer = self._peers.get(key[0])
        if peer is not None:
            peer.tell(key[1], told)


def load(config: CaptionWorkerConfig) -> Models:
    """The models that the configuration's loader makes."""
    module, _, function = config.loader.partition(":")
    make: Callable[[CaptionWorkerConfig], Models] = getattr(importlib.import_module(module), function)
    return make(config)


async def serve(models: Models, config: CaptionWorkerConfig, lanes: socket.socket, control: socket.socket) -> None:
    """Hear streams until the server's socket closes."""
    loop = asyncio.get_running_loop()
    worker = Worker(models, config, control)
    first = worker.peer()
    ended = asyncio.Event()
    first.on_lost = ended.set
    local = await loop.create_unix_server(worker.peer, sock=bound(Path(config.socket))) if config.socket else None
    await loop.create_unix_connection(lambda: first, sock=lanes)
    condition = models.condition()
    pulse = asyncio.create_task(Pulse(control, worker.engine, models, condition).beat(), name="pulse")
    about = {"recogniser": config.recogniser if models.transcribe is not None else None}
    about["diarizer"] = models.diarizer.name if models.diarizer is not None else None
    get_logger(__name__).info("captions ready", device=condition.device, **about)
    say(control, event="ready", device=condition.device, detail=condition.detail, **about)
    closing = asyncio.create_task(ended.wait(), name="closing")
    await asyncio.wait({closing, pulse}, return_when=asyncio.FIRST_COMPLETED)
    pulse.cancel()
    worker.engine.close()
    if local is not None:
        local.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the worker; the exit status is 0 after an orderly end and 1 after a failure that was reported."""
    parser = argparse.ArgumentParser(prog="python -m server.inference.captioning.worker")
    parser.add_argument("--descriptors", required=True, help="lanes,control")
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    parser.add_argument("--config", required=True, help="JSON of CaptionWorkerConfig")
    options = parser.parse_args(arguments)
    config = CaptionWorkerConfig(**json.loads(options.config))
    lanes, channel = (int(part) for part in options.descriptors.split(","))
    die_with_parent(options.parent)
    lower_priority()
    configure_logging(config.log_level, config.log_format)
    control = socket.socket(fileno=channel)

    def work() -> None:
        models = load(config)
        gc.collect()
        gc.freeze()
        asyncio.run(serve(models, config, socket.socket(fileno=lanes), control))

    return run(work, control, "captions")


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # a model that is still at work in its thread is not waited for
