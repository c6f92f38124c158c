"""`clearcast demo`: a noisy talk, live on a channel of its own, for a first look."""

from __future__ import annotations

import asyncio

from server.app import Server, greet, prepare
from server.client import demo as sound
from server.config import Settings
from server.errors import ChannelLive, ClearcastError, Unavailable
from server.log import say
from server.running import run


def demo(settings: Settings, *, self_signed: bool = False, snr: float = 5.0) -> int:
    """A noisy talk, live on a channel of its own, on this machine's server or on one of our own."""
    prepare(settings)
    return run(lambda stop: _demo(Server(sound.with_captions(settings), self_signed=self_signed), snr, stop))


async def _demo(server: Server, snr: float, stop: asyncio.Event) -> int:
    try:
        await server.start()
        await asyncio.to_thread(greet, server)
    except Unavailable as error:
        running_url = await sound.running_server(server.settings) if error.code == "port" else None
        if running_url is None:
            raise
        say(f"Using the server that runs at {running_url}")
        return await _talk_elsewhere(running_url, snr, stop)
    url = server.url
    try:
        talking = asyncio.create_task(sound.talk(url, snr, lambda address: say(f"Listen to the demo at {address}")))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            failure = talking.exception()
            say(failure.message if isinstance(failure, ClearcastError) else "The demo's stream has ended.")
            await stopping
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
    finally:
        await server.close()
    return 0


async def _talk_elsewhere(url: str, snr: float, stop: asyncio.Event) -> int:
    """The demo on a server that is not ours: without its stream there is nothing to stay for."""
    talking = asyncio.create_task(sound.talk(url, snr, lambda address: say(f"Listen to the demo at {address}")))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (talking, stopping):
        task.cancel()
    (outcome, _) = await asyncio.gather(talking, stopping, return_exceptions=True)
    if isinstance(outcome, ChannelLive):
        say(f"The demo is live already: {url}/listen/demo")
        return 0
    if isinstance(outcome, Exception):
        raise outcome
    if not stop.is_set():
        say("The demo's stream has ended.")
    return 0
