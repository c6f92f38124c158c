"""People, friends, requests and blocks."""

from __future__ import annotations

from server.accounts import Action
from server.errors import NotFound
from server.web import people_schemas as schemas
from server.web import people_views as views
from server.web.identity import caller_of
from server.web.routing import Call, RouteTable
from server.web.schemas import PageQuery

table = RouteTable("friends")
REQUEST = "/api/v1/friends/requests/{user}"


def note(call: Call, action: str, subject: str, kind: str = "user") -> None:
    """Write into the audit log that the caller has done something."""
    call.services.audit.put(call.actor, action, kind, subject, caller_of(call.request).address)


@table.route(
    "GET",
    "/api/v1/people",
    Action.LIST_PEOPLE,
    "Look for people by the beginning of any of their names: 20 at most",
    query=schemas.SearchQuery,
    answer=schemas.PersonList,
)
async def search(call: Call) -> schemas.PersonList:
    text = call.query(schemas.SearchQuery).search
    found = await call.services.community.friends.search(call.actor.id, text)
    return schemas.PersonList(items=views.people(found), total=len(found))


@table.route("GET", "/api/v1/people/{id}", Action.READ_PERSON, "One person", answer=schemas.PersonOut, errors=(404,))
async def read_person(call: Call) -> schemas.PersonOut:
    return views.person(await call.services.community.friends.person(call.actor.id, call.path("id")))


@table.route("GET", "/api/v1/friends", Action.LIST_PEOPLE, "One's friends", query=PageQuery, answer=schemas.PersonList)
async def list_friends(call: Call) -> schemas.PersonList:
    query = call.query(PageQuery)
    page = await call.services.community.friends.page(call.actor.id, query.limit, query.cursor)
    return schemas.PersonList(items=views.people(page.items), total=page.total, next=page.next)


@table.route("DELETE", "/api/v1/friends/{user}", Action.CHANGE_FRIENDS, "End a friendship", status=204, errors=(404,))
async def unfriend(call: Call) -> None:
    if not await call.services.community.friends.part(call.actor.id, call.path("user")):
        raise NotFound("There is no such friend.", code="unknown-friend")
    note(call, "unfriend", call.path("user"))


@table.route(
    "GET",
    "/api/v1/friends/requests",
    Action.LIST_PEOPLE,
    "Friend requests without an answer",
    answer=schemas.RequestsOut,
)
async def list_requests(call: Call) -> schemas.RequestsOut:
    return views.requests(await call.services.community.friends.requests(call.actor.id))


@table.route(
    "POST",
    "/api/v1/friends/requests",
    Action.CHANGE_FRIENDS,
    "Ask somebody to be a friend; who has asked already is one at once",
    body=schemas.NewRequest,
    answer=schemas.PersonOut,
    errors=(404, 409),
)
async def ask(call: Call) -> schemas.PersonOut:
    to = call.body(schemas.NewRequest).to
    person = await call.services.community.friends.ask(call.actor.id, to)
    note(call, "ask-friend", to)
    return views.person(person)


@table.route(
    "POST",
    f"{REQUEST}/accept",
    Action.CHANGE_FRIENDS,
    "Become friends with who has asked",
    answer=schemas.PersonOut,
    errors=(404, 409),
)
async def accept(call: Call) -> schemas.PersonOut:
    person = await call.services.community.friends.accept(call.actor.id, call.path("user"))
    note(call, "accept-friend", call.path("user"))
    return views.person(person)


@table.route("POST", f"{REQUEST}/decline", Action.CHANGE_FRIENDS, "Decline a request", status=204, errors=(404,))
async def decline(call: Call) -> None:
    if not await call.services.community.friends.withdraw(call.path("user"), call.actor.id):
        raise _no_request()
    note(call, "decline-friend", call.path("user"))


@table.route("DELETE", REQUEST, Action.CHANGE_FRIENDS, "Take a request back", status=204, errors=(404,))
async def cancel(call: Call) -> None:
    if not await call.services.community.friends.withdraw(call.actor.id, call.path("user")):
        raise _no_request()
    note(call, "cancel-friend", call.path("user"))


@table.route("GET", "/api/v1/blocks", Action.LIST_PEOPLE, "Whom one blocks", answer=schemas.PersonList)
async def list_blocks(call: Call) -> schemas.PersonList:
    found = await call.services.community.friends.blocks(call.actor.id)
    return schemas.PersonList(items=views.people(found), total=len(found))


@table.route(
    "PUT",
    "/api/v1/blocks/{user}",
    Action.CHANGE_FRIENDS,
    "Want nothing to do with somebody: they see nothing, and are not told",
    status=204,
    errors=(400, 404, 409),
)
async def block(call: Call) -> None:
    await call.services.community.friends.block(call.actor.id, call.path("user"))
    note(call, "block", call.path("user"))


@table.route(
    "DELETE", "/api/v1/blocks/{user}", Action.CHANGE_FRIENDS, "Block somebody no more", status=204, errors=(404,)
)
async def unblock(call: Call) -> None:
    if not await call.services.community.friends.unblock(call.actor.id, call.path("user")):
        raise NotFound("You do not block this person.", code="unknown-block")
    note(call, "unblock", call.path("user"))


def _no_request() -> NotFound:
    return NotFound("There is no such request (any more).", code="unknown-request")
