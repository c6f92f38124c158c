"""Groups: named lists of friends."""

from __future__ import annotations

from server.accounts import Action, Resource, Role
from server.errors import Conflict, NotFound
from server.web import people_schemas as schemas
from server.web import people_views as views
from server.web.handlers.friends import note
from server.web.routing import Call, RouteTable

table = RouteTable("groups")
GROUP = "/api/v1/groups/{id}"
MEMBER = f"{GROUP}/members/{{user}}"


async def load(call: Call) -> Resource:
    """The group that the address names. Raises NotFound."""
    group = await call.services.community.groups.get(call.path("id"))
    call.subject = group
    return Resource("group", group.id, group.owner)


@table.route("GET", "/api/v1/groups", Action.LIST_PEOPLE, "One's groups, by name", answer=schemas.GroupList)
async def list_groups(call: Call) -> schemas.GroupList:
    found = await call.services.community.groups.all(call.actor.id)
    return schemas.GroupList(items=[views.group(item) for item in found], total=len(found))


@table.route(
    "POST",
    "/api/v1/groups",
    Action.CHANGE_FRIENDS,
    "Make a group",
    body=schemas.GroupBody,
    answer=schemas.GroupOut,
    status=201,
    errors=(409,),
)
async def add_group(call: Call) -> schemas.GroupOut:
    if call.actor.role is Role.LOCAL:
        raise Conflict("There is nobody to put into a group here: this server has no accounts.", code="no-accounts")
    services = call.services
    group = await services.community.groups.add(call.actor.id, call.body(schemas.GroupBody).name, services.clock.wall())
    note(call, "add-group", group.id, "group")
    return views.group(group)


@table.route(
    "PATCH",
    GROUP,
    Action.CHANGE_GROUPS,
    "Rename a group",
    resource=load,
    body=schemas.GroupBody,
    answer=schemas.GroupOut,
    errors=(404, 409),
)
async def rename_group(call: Call) -> schemas.GroupOut:
    return views.group(await call.services.community.groups.rename(call.subject.id, call.body(schemas.GroupBody).name))


@table.route(
    "DELETE", GROUP, Action.CHANGE_GROUPS, "Delete a group; its members stay friends", resource=load, status=204,
    errors=(404,),
)  # fmt: skip
async def delete_group(call: Call) -> None:
    await call.services.community.groups.forget(call.subject.id)
    call.services.circles.changed(*call.subject.members)
    note(call, "delete-group", call.subject.id, "group")


@table.route("PUT", MEMBER, Action.CHANGE_GROUPS, "Put a friend into a group", resource=load, status=204, errors=(404,))
async def include(call: Call) -> None:
    if await call.services.community.groups.include(call.subject.id, call.path("user")):
        call.services.circles.changed(call.path("user"))
        note(call, "include", call.subject.id, "group")


@table.route(
    "DELETE", MEMBER, Action.CHANGE_GROUPS, "Take somebody out of a group", resource=load, status=204, errors=(404,)
)
async def exclude(call: Call) -> None:
    if not await call.services.community.groups.exclude(call.subject.id, call.path("user")):
        raise NotFound("Nobody like that is in this group.", code="unknown-member")
    call.services.circles.changed(call.path("user"))
    note(call, "exclude", call.subject.id, "group")
