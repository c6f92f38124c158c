"""Taking one's data along, and leaving."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiohttp import web

from server.accounts import Action
from server.rates import Rate
from server.web import account_schemas as schemas
from server.web.handlers.auth import with_accounts
from server.web.identity import caller_of, drop_session
from server.web.routing import Call, RouteTable

PATIENCE = 60.0
"""Seconds that one write may wait for a reader that takes nothing."""

table = RouteTable("account")


@table.route(
    "GET",
    "/api/v1/account/export",
    Action.CHANGE_ACCOUNT,
    "All of one's data as a zip file: account, channels, recordings with audio and captions, friends, messages",
    produces="application/zip",
    errors=(409, 503),
    rate=Rate.EXPENSIVE,
)
async def export(call: Call) -> web.StreamResponse:
    with_accounts(call)
    response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="clearcast-export.zip"'})
    response.content_type = "application/zip"
    if call.request.method == "HEAD":
        return response
    parts = call.services.exports.zip_of(call.actor.id)
    try:
        first = await anext(parts)  # what goes wrong does so before the answer begins
        call.services.audit.put(call.actor, "export", "user", call.actor.id, caller_of(call.request).address)
        await response.prepare(call.request)
        await response.write(first)
        async for part in parts:
            async with asyncio.timeout(PATIENCE):
                await response.write(part)
        await response.write_eof()
    except TimeoutError:
        raise ConnectionResetError("the reader takes nothing") from None
    finally:
        await parts.aclose()
    return response


@table.route(
    "POST",
    "/api/v1/account/delete",
    Action.CHANGE_ACCOUNT,
    "Delete the account with all its data, for ever: channels, recordings, voices, messages",
    body=schemas.Confirmation,
    status=204,
    errors=(403, 409, 429, 503),
    rate=Rate.SIGN_IN,
)
async def leave(call: Call) -> web.Response:
    with_accounts(call)
    services, caller = call.services, caller_of(call.request)
    await services.people.confirm(call.actor, call.body(schemas.Confirmation).password, caller)
    known = await services.leaving.begin(call.actor.id)
    services.audit.put(replace(call.actor, name=""), "delete-account", "user", call.actor.id, caller.address)
    services.endings.tell(call.actor.id)
    services.circles.changed(call.actor.id, *known)
    response = web.Response(status=204)
    drop_session(response, call.request)
    return response
