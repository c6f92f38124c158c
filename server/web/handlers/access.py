"""Who may hear a channel, a stream or a recording, or see a collection: said by its owner, opened by a link."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from server.accounts import Action
from server.errors import Conflict, InvalidRequest, NotFound
from server.rooms.messages import StreamInfo
from server.store.collections import Collection
from server.store.people_records import Access, AccessRule
from server.store.records import Channel, Recording, StoredStream
from server.web import access_schemas as schemas
from server.web import links
from server.web.handlers.channels import load as load_channel
from server.web.handlers.collections import load as load_collection
from server.web.handlers.recordings import load as load_recording
from server.web.handlers.streams import load as load_stream
from server.web.identity import caller_of
from server.web.routing import Call, Loader, RouteTable

table = RouteTable("access")

Subject = Channel | StreamInfo | StoredStream | Recording | Collection
Answer = Callable[[Call], Awaitable[schemas.AccessOut]]


async def _show(call: Call, kind: str, rule: AccessRule) -> schemas.AccessOut:
    subject: Subject = call.subject
    key = call.services.access.link((kind, subject.id), rule)
    return schemas.AccessOut(
        access=rule.access.value,
        people=sorted(rule.people),
        groups=sorted(rule.groups),
        locked=rule.locked,
        link=f"{await _page(call)}#link={key}" if key is not None else None,
    )


async def _page(call: Call) -> str:
    """The address at which the thing is heard."""
    subject: Subject = call.subject
    if isinstance(subject, Recording):
        return f"/recordings/{subject.id}"
    if isinstance(subject, Collection):
        return f"/collections/{subject.id}"
    channel = subject if isinstance(subject, Channel) else await call.services.channel(subject.channel_id)
    return f"/listen/{channel.slug}"


def _must_have_people(call: Call) -> None:
    if not call.services.access.accounts:
        raise Conflict("Whoever reaches this server hears everything: it runs without accounts.", code="accounts-off")


async def _wanted(call: Call, before: AccessRule) -> AccessRule:
    """What the body asks for. Raises InvalidRequest where it names who is not there."""
    body, table_ = call.body(schemas.AccessIn), call.services.store.access
    people, groups = frozenset(body.people) - {call.actor.id}, frozenset(body.groups)
    if people and people != await table_.people_there(people):
        raise InvalidRequest("people: somebody of these is not there.", code="unknown-person")
    if groups and groups != await table_.groups_of(call.actor.id, groups):
        raise InvalidRequest("groups: one of these is no group of yours.", code="unknown-group")
    locked = before.locked if body.locked is None else body.locked
    return replace(before, access=Access(body.access), people=people, groups=groups, locked=locked)


def _note(call: Call, action: str, kind: str, detail: str = "") -> None:
    address = caller_of(call.request).address
    call.services.audit.put(call.actor, action, kind, call.subject.id, address, detail=detail)


def _handlers(kind: str) -> tuple[Answer, Answer, Answer]:
    """How the access of one kind of thing is read, set, and given another link."""

    async def read(call: Call) -> schemas.AccessOut:
        _must_have_people(call)
        return await _show(call, kind, await call.services.access.rule(kind, call.subject.id))

    async def change(call: Call) -> schemas.AccessOut:
        _must_have_people(call)
        book, thing = call.services.access, (kind, call.subject.id)
        before = await book.rule(*thing)
        rule = await _wanted(call, before)
        if rule != before:
            await book.put(thing, rule)
            _note(call, "change-access", kind, f"{rule.access}{', locked' if rule.locked else ''}")
        return await _show(call, kind, rule)

    async def renew(call: Call) -> schemas.AccessOut:
        _must_have_people(call)
        book, thing = call.services.access, (kind, call.subject.id)
        before = await book.rule(*thing)
        if before.access is not Access.LINK:
            raise Conflict("This is not for whoever has a link.", code="no-link")
        rule = replace(before, link_number=before.link_number + 1)
        await book.put(thing, rule)
        _note(call, "new-link", kind)
        return await _show(call, kind, rule)

    for handler, verb in ((read, "read"), (change, "change"), (renew, "renew")):
        handler.__name__ = f"{verb}_{kind}_{'link' if handler is renew else 'access'}"  # names it in OpenAPI
    return read, change, renew


def _declare(kind: str, base: str, load: Loader) -> None:
    read, change, renew = _handlers(kind)
    about = {"resource": load, "answer": schemas.AccessOut, "errors": (409,)}
    table.route("GET", f"{base}/access", Action.CHANGE_ACCESS, f"Who may hear a {kind}", **about)(read)
    table.route(
        "PUT", f"{base}/access", Action.CHANGE_ACCESS, f"Say who may hear a {kind}", body=schemas.AccessIn, **about
    )(change)
    table.route(
        "POST",
        f"{base}/access/link",
        Action.CHANGE_ACCESS,
        f"A new link to a {kind}; the one before opens nothing any more",
        **about,
    )(renew)


_declare("channel", "/api/v1/channels/{slug}", load_channel)
_declare("stream", "/api/v1/streams/{id}", load_stream)
_declare("recording", "/api/v1/recordings/{id}", load_recording)
_declare("collection", "/api/v1/collections/{id}", load_collection)


@table.route(
    "POST",
    "/api/v1/links/open",
    Action.OPEN_LINK,
    "Open a link: this browser may hear what it leads to from now on",
    body=schemas.LinkIn,
    status=204,
    errors=(404,),
    takes={links.HEADER: "On every other request: a link's key, instead of opening it once and keeping a cookie."},
)
async def open_link(call: Call) -> web.Response:
    key = call.body(schemas.LinkIn).key
    if not await call.services.access.opens(key):
        raise NotFound("This link opens nothing; it may have been replaced.", code="unknown-link")
    response = web.Response(status=204)
    links.keep(call.request, response, key)
    return response
