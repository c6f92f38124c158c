"""What a page asks of the API as soon as it runs: its document names it, and it comes beside the modules."""

from __future__ import annotations

import re
from urllib.parse import quote

from server.accounts import Action, Role, authorise
from server.errors import ClearcastError
from server.store.keeping import PLAYABLE
from server.web.routing import Call

BEGINNING = 60
"""Captions of the first page of a transcript (`static/js/captions/pages.js`)."""
_RECORDING = re.compile(r"/recordings/([^/]+)/?")


async def early(call: Call) -> tuple[str, ...]:
    """Addresses of what the actor may have: an answer that refuses would be taken for the answer later, too."""
    known = () if call.actor.role is Role.NOBODY else ("/api/v1/me",)
    recording = _RECORDING.fullmatch(call.request.path)
    more = await _of_recording(call, recording[1]) if recording else ()
    return ("/api/v1/auth", *known, "/api/v1/config", *more)


async def _of_recording(call: Call, id_: str) -> tuple[str, ...]:
    try:
        found = await call.services.library.get(id_)
        authorise(
            call.actor,
            Action.READ_RECORDING,
            await call.about("recording", found.id, found.owner, found.channel_id),
        )
    except ClearcastError:  # the page asks, and says what it hears
        return ()
    name = quote(found.id, safe="")
    peaks = (f"/api/v1/recordings/{name}/peaks",) if found.state in PLAYABLE else ()
    captions = f"/api/v1/streams/{quote(found.stream_id, safe='')}/captions?limit={BEGINNING}"
    return (f"/api/v1/recordings/{name}?speakers=false", *peaks, captions)
