"""The sound check: five seconds back without their noise, before anybody else hears them. Nothing is kept."""

from __future__ import annotations

import asyncio

import numpy as np
from aiohttp import web

from server.accounts import Action
from server.audio.wav import HEADER_BYTES, read_wav, write_wav
from server.clock import SAMPLE_RATE
from server.errors import InvalidRequest, TooLarge
from server.rates import Rate
from server.web.routing import Call, RouteTable

LONGEST_S = 6
SHORTEST_S = 0.5
LIMIT = LONGEST_S * SAMPLE_RATE * 2 + HEADER_BYTES

table = RouteTable("studio")


@table.route(
    "POST",
    "/api/v1/sound-check",
    Action.CHECK_SOUND,
    "At most six seconds (WAV, mono, 48 kHz, 16 bits) back without their noise; nothing is kept",
    accepts="audio/wav",
    produces="audio/wav",
    limit=LIMIT,
    rate=Rate.EXPENSIVE,
    errors=(429, 503),
)
async def sound_check(call: Call) -> web.Response:
    samples = read_wav(call.data)
    if len(samples) > LONGEST_S * SAMPLE_RATE:
        raise TooLarge(f"A sound check takes at most {LONGEST_S} seconds.")
    if len(samples) < SHORTEST_S * SAMPLE_RATE:
        raise InvalidRequest("That is too short to hear anything in it.", code="too-short")
    if not np.any(samples):
        raise InvalidRequest("That is silence: nothing came from the microphone.", code="silence")
    clean = await call.services.sound_check.clean(samples)
    return web.Response(body=await asyncio.to_thread(write_wav, clean), content_type="audio/wav")
