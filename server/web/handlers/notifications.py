"""What one is told, and the browsers that are told while the page is closed."""

from __future__ import annotations

from server.accounts import Action
from server.errors import NotFound
from server.web import people_schemas as schemas
from server.web import people_views as views
from server.web.routing import Call, RouteTable
from server.web.schemas import PageQuery

table = RouteTable("notifications")


@table.route(
    "GET",
    "/api/v1/notifications",
    Action.READ_NOTIFICATIONS,
    "What one was told, the newest first",
    query=PageQuery,
    answer=schemas.NoticeList,
)
async def list_notices(call: Call) -> schemas.NoticeList:
    query = call.query(PageQuery)
    page, unread = await call.services.community.notices.page(call.actor.id, query.limit, query.cursor)
    items = [views.notice(item) for item in page.items]
    return schemas.NoticeList(items=items, total=page.total, unread=unread, next=page.next)


@table.route(
    "POST",
    "/api/v1/notifications/read",
    Action.CHANGE_PROFILE,
    "Everything up to a notice was seen",
    body=schemas.ReadBody,
    status=204,
    errors=(404,),
)
async def read_notices(call: Call) -> None:
    if not await call.services.community.notices.read(call.actor.id, call.body(schemas.ReadBody).up_to):
        raise NotFound("There is no such notice; it may be an old one.", code="unknown-notification")


@table.route("GET", "/api/v1/push", Action.READ_NOTIFICATIONS, "Messages to closed pages", answer=schemas.PushOut)
async def read_push(call: Call) -> schemas.PushOut:
    push = call.services.community.push
    return schemas.PushOut(public_key=push.public_key, browsers=await push.browsers(call.actor.id))


@table.route(
    "PUT",
    "/api/v1/push",
    Action.CHANGE_PROFILE,
    "Have this browser told while the page is closed",
    body=schemas.PushBody,
    status=204,
    errors=(409,),
)
async def put_push(call: Call) -> None:
    body = call.body(schemas.PushBody)
    await call.services.community.push.subscribe(call.actor.id, body.endpoint, body.keys.model_dump())


@table.route(
    "DELETE",
    "/api/v1/push",
    Action.CHANGE_PROFILE,
    "Tell one's browsers nothing more while the page is closed",
    query=schemas.PushQuery,
    status=204,
)
async def delete_push(call: Call) -> None:
    await call.services.community.push.unsubscribe(call.actor.id, call.query(schemas.PushQuery).endpoint)
