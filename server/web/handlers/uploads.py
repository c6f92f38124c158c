"""Uploads: what was brought, what is wanted of it, what becomes of it. How the bytes come is in `tus`."""

from __future__ import annotations

from server.accounts import Action, Resource, authorise
from server.errors import ClearcastError
from server.store.uploads import Upload
from server.web import upload_schemas as schemas
from server.web import upload_views as views
from server.web.routing import Call, RouteTable

table = RouteTable("uploads")
BASE = "/api/v1/uploads"


async def load(call: Call) -> Resource:
    """The upload that the address names. Raises NotFound."""
    upload = await call.services.store.uploads.get(call.path("id"))
    call.subject = upload
    return Resource("upload", upload.id, upload.owner)


def show(call: Call, upload: Upload) -> schemas.UploadOut:
    return views.upload(upload, call.services.uploads, call.services.jobs)


@table.route(
    "GET",
    BASE,
    Action.LIST_UPLOADS,
    "One's own uploads, newest first",
    query=schemas.UploadQuery,
    answer=schemas.UploadList,
)
async def list_uploads(call: Call) -> schemas.UploadList:
    query = call.query(schemas.UploadQuery)
    page = await call.services.store.uploads.page(
        call.actor.id, batch=query.batch, limit=query.limit, cursor=query.cursor
    )
    return schemas.UploadList(items=[show(call, item) for item in page.items], total=page.total, next=page.next)


@table.route("GET", f"{BASE}/{{id}}", Action.READ_UPLOAD, "One upload", resource=load, answer=schemas.UploadOut)
async def read_upload(call: Call) -> schemas.UploadOut:
    return show(call, call.subject)


@table.route(
    "PATCH",
    f"{BASE}/{{id}}",
    Action.CHANGE_UPLOAD,
    "Want something else done with a file, before it is started",
    resource=load,
    body=schemas.UploadPatch,
    answer=schemas.UploadOut,
    errors=(409,),
)
async def change_upload(call: Call) -> schemas.UploadOut:
    options = call.body(schemas.UploadPatch).options
    return show(call, await call.services.uploads.change(call.subject, options.model_dump(mode="json")))


@table.route(
    "DELETE",
    f"{BASE}/{{id}}",
    Action.CHANGE_UPLOAD,
    "Stop what is done with an upload and forget it; a recording that was made of it stays",
    resource=load,
    status=204,
)
async def remove_upload(call: Call) -> None:
    await call.services.uploads.remove(call.subject)


@table.route(
    "POST",
    f"{BASE}/{{id}}/start",
    Action.CHANGE_UPLOAD,
    "Make a recording of a file that was looked at",
    resource=load,
    answer=schemas.UploadOut,
    errors=(409, 503),
)
async def start_upload(call: Call) -> schemas.UploadOut:
    return show(call, await call.services.uploads.start(call.subject))


@table.route(
    "POST",
    f"{BASE}/{{id}}/again",
    Action.CHANGE_UPLOAD,
    "Make another recording of the same file, with other options",
    resource=load,
    body=schemas.UploadAgain,
    answer=schemas.UploadOut,
    status=201,
    errors=(409, 503),
)
async def upload_again(call: Call) -> schemas.UploadOut:
    options = call.body(schemas.UploadAgain).options
    return show(call, await call.services.uploads.again(call.subject, options.model_dump(mode="json")))


@table.route(
    "POST",
    f"{BASE}/batch",
    Action.UPLOAD,
    "Options for several uploads, and start them; each answers for itself",
    body=schemas.UploadBatch,
    answer=schemas.BatchOut,
)
async def change_batch(call: Call) -> schemas.BatchOut:
    wanted = call.body(schemas.UploadBatch)
    return schemas.BatchOut(items=[await _one_of(call, upload_id, wanted) for upload_id in dict.fromkeys(wanted.ids)])


async def _one_of(call: Call, upload_id: str, wanted: schemas.UploadBatch) -> schemas.BatchResult:
    desk = call.services.uploads
    try:
        upload = await call.services.store.uploads.get(upload_id)
        authorise(call.actor, Action.CHANGE_UPLOAD, Resource("upload", upload.id, upload.owner))
        if wanted.options is not None:
            upload = await desk.change(upload, wanted.options.model_dump(mode="json"))
        if wanted.start:
            upload = await desk.start(upload)
    except ClearcastError as error:
        return schemas.BatchResult(id=upload_id, upload=None, error=error.message, code=error.code)
    return schemas.BatchResult(id=upload_id, upload=show(call, upload), error="", code="")
