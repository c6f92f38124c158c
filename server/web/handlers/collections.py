"""Collections: made, shown as far as one may see what is in them, put in order."""

from __future__ import annotations

from server.accounts import Action, Resource, may_see
from server.accounts.access import about_recording
from server.errors import NotFound
from server.store.collections import MAX_ITEMS, Collection
from server.store.ids import new_id
from server.store.library import Wanted
from server.web import collection_schemas as schemas
from server.web import recording_views
from server.web.routing import Call, RouteTable
from server.web.schemas import OwnedQuery, Owner

table = RouteTable("collections")

COLLECTIONS = "/api/v1/collections"
COLLECTION = f"{COLLECTIONS}/{{id}}"


async def load(call: Call) -> Resource:
    """The collection that the address names. Raises NotFound."""
    collection = await call.services.store.collections.get(call.path("id"))
    call.subject = collection
    return await call.about("collection", collection.id, collection.owner)


async def _show(call: Call, items: list[Collection]) -> list[schemas.CollectionOut]:
    mine = {("collection", item.id) for item in items if item.owner == call.actor.id}
    rules = await call.services.access.rules(mine)
    return [
        schemas.CollectionOut(
            id=item.id,
            title=item.title,
            description=item.description,
            created_at=item.created_at,
            count=item.count,
            owner=Owner(id=item.owner, display_name=item.owner_name or call.services.actor.name),
            access=rules[thing].access if (thing := ("collection", item.id)) in rules else None,
        )
        for item in items
    ]


async def _detail(call: Call, collection: Collection) -> schemas.CollectionDetail:
    """With the recordings in their order, those that the actor may see."""
    services = call.services
    places = await services.store.collections.order(collection.id)
    sight = await services.access.sight(call.actor)
    page = await services.store.library.page(Wanted(collection=collection.id), sight=sight, limit=MAX_ITEMS)
    recordings = sorted((item.recording for item in page.items), key=lambda item: places.get(item.id, 0))
    (shown,) = await _show(call, [collection])
    return schemas.CollectionDetail(
        **{**dict(shown), "count": len(recordings)},
        recordings=await recording_views.show_all(services, call.actor, recordings),
    )


@table.route(
    "GET",
    COLLECTIONS,
    Action.LIST_COLLECTIONS,
    "Collections that one may see, newest first",
    query=OwnedQuery,
    answer=schemas.CollectionList,
)
async def list_collections(call: Call) -> schemas.CollectionList:
    query = call.query(OwnedQuery)
    sight = await call.services.access.sight(call.actor)
    page = await call.services.store.collections.page(
        limit=query.limit, cursor=query.cursor, sight=sight, owner=query.owner
    )
    return schemas.CollectionList(items=await _show(call, page.items), total=page.total, next=page.next)


@table.route(
    "POST",
    COLLECTIONS,
    Action.CREATE_COLLECTION,
    "Make a collection; it is private at first",
    body=schemas.NewCollection,
    answer=schemas.CollectionDetail,
    status=201,
    errors=(409,),
)
async def add_collection(call: Call) -> schemas.CollectionDetail:
    body, services = call.body(schemas.NewCollection), call.services
    made = Collection(new_id(), call.actor.id, body.title, body.description, services.clock.wall())
    await services.store.collections.add(made)
    return await _detail(call, await services.store.collections.get(made.id))


@table.route(
    "GET",
    COLLECTION,
    Action.READ_COLLECTION,
    "One collection, and what one may see of what is in it, in order",
    resource=load,
    answer=schemas.CollectionDetail,
)
async def read_collection(call: Call) -> schemas.CollectionDetail:
    return await _detail(call, call.subject)


@table.route(
    "PATCH",
    COLLECTION,
    Action.CHANGE_COLLECTION,
    "Change title or description of a collection",
    resource=load,
    body=schemas.CollectionPatch,
    answer=schemas.CollectionDetail,
)
async def change_collection(call: Call) -> schemas.CollectionDetail:
    values = call.body(schemas.CollectionPatch).model_dump(exclude_none=True)
    return await _detail(call, await call.services.store.collections.change(call.subject.id, **values))


@table.route(
    "DELETE",
    COLLECTION,
    Action.CHANGE_COLLECTION,
    "Delete a collection; the recordings stay",
    resource=load,
    status=204,
)
async def remove_collection(call: Call) -> None:
    await call.services.store.collections.remove(call.subject.id)


@table.route(
    "PUT",
    f"{COLLECTION}/recordings",
    Action.CHANGE_COLLECTION,
    "Say what is in a collection, in its order",
    resource=load,
    body=schemas.CollectionItems,
    answer=schemas.CollectionDetail,
    errors=(404,),
)
async def fill_collection(call: Call) -> schemas.CollectionDetail:
    services, ids = call.services, call.body(schemas.CollectionItems).ids
    recordings = [item for item in await services.store.recordings_by_id(set(ids)) if item.deleted_at is None]
    resources = await services.access.about_all(call.actor, [about_recording(item) for item in recordings])
    if {item.id for item in resources if may_see(call.actor, item)} != set(ids):
        raise NotFound("One of these recordings is not there.", code="unknown-recording")
    await services.store.collections.put(call.subject.id, ids)
    return await _detail(call, call.subject)
