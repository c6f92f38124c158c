"""What administrators look at and do."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict
from urllib.parse import urlsplit

from aiohttp import web

from server import __version__
from server.accounts import Action, Resource
from server.config import PREFIX, Settings
from server.masking import settings_shown
from server.recordings.quota import GB
from server.store.audit import AuditEntry
from server.store.deliveries import Delivery
from server.store.people_records import User
from server.web import admin_schemas as schemas
from server.web import caption_views, views
from server.web.handlers.health import examine
from server.web.identity import caller_of
from server.web.routing import Call, RouteTable
from server.web.schemas import PageQuery

table = RouteTable("administration")

BASE = "/api/v1/admin"
EXPORT_PAGE = 100
"""Entries of the audit log that are read at once for an export."""


async def load_user(call: Call) -> Resource:
    """The account that the address names. Raises NotFound."""
    call.subject = await call.services.store.users.get(call.path("id"))
    return Resource("user", call.subject.id)


def _user(user: User) -> schemas.UserOut:
    return schemas.UserOut(
        id=user.id,
        name=user.name,
        display_name=user.display_name,
        email=user.email,
        administrator=user.administrator,
        disabled_at=user.disabled_at,
        created_at=user.created_at,
        quota_bytes=user.quota_bytes,
    )


@table.route(
    "GET",
    f"{BASE}/users",
    Action.ADMINISTER,
    "All accounts, the oldest first",
    query=schemas.UserQuery,
    answer=schemas.UserList,
)
async def list_users(call: Call) -> schemas.UserList:
    query = call.query(schemas.UserQuery)
    page = await call.services.store.users.page(limit=query.limit, cursor=query.cursor, search=query.search)
    return schemas.UserList(items=[_user(item) for item in page.items], total=page.total, next=page.next)


@table.route(
    "PATCH",
    f"{BASE}/users/{{id}}",
    Action.ADMINISTER,
    "Disable an account or let it in again; make an administrator of somebody, or not any more; set a quota",
    resource=load_user,
    body=schemas.UserPatch,
    answer=schemas.UserOut,
    errors=(409,),
)
async def change_user(call: Call) -> schemas.UserOut:
    wanted, people, address = (
        call.body(schemas.UserPatch),
        call.services.administration,
        caller_of(call.request).address,
    )
    if wanted.disabled is not None:
        return _user(await people.disable(call.actor, call.subject.id, wanted.disabled, address))
    if wanted.administrator is None:
        quota = round(wanted.quota_gb * GB) if wanted.quota_gb is not None else None
        return _user(await people.set_quota(call.actor, call.subject.id, quota, address))
    return _user(await people.promote(call.actor, call.subject.id, bool(wanted.administrator), address))


@table.route(
    "POST",
    f"{BASE}/users/{{id}}/reset-password",
    Action.ADMINISTER,
    "Give an account a new random password and sign it out everywhere",
    resource=load_user,
    answer=schemas.ResetPassword,
)
async def reset_password(call: Call) -> schemas.ResetPassword:
    reset = call.services.administration.reset_password(call.actor, call.subject.id, caller_of(call.request).address)
    return schemas.ResetPassword(password=await reset)


@table.route("GET", f"{BASE}/streams", Action.ADMINISTER, "Everything that is live", answer=schemas.LiveList)
async def list_all_live(call: Call) -> schemas.LiveList:
    live = sorted(call.services.media.streams(), key=lambda item: item.started_at, reverse=True)
    channels = [await call.services.channel(item.channel_id) for item in live]
    items = [views.live_stream(item, channel, call.actor) for item, channel in zip(live, channels, strict=True)]
    return schemas.LiveList(items=items, total=len(items))


@table.route("GET", f"{BASE}/storage", Action.ADMINISTER, "Where the room goes", answer=schemas.Storage)
async def storage(call: Call) -> schemas.Storage:
    services = call.services
    disk = await asyncio.to_thread(shutil.disk_usage, services.settings.data_dir)
    used = await services.store.storage()
    names = await services.store.users.names([owner for owner, _, _ in used])
    return schemas.Storage(
        free_bytes=disk.free,
        total_bytes=disk.total,
        recordings=sum(number for _, number, _ in used),
        bytes=sum(size for _, _, size in used),
        owners=[
            schemas.StorageUse(owner=owner, name=names.get(owner, ""), recordings=number, bytes=size)
            for owner, number, size in used
        ],
    )


@table.route(
    "GET", f"{BASE}/jobs", Action.ADMINISTER, "Everybody's jobs, newest first", query=PageQuery, answer=schemas.AllJobs
)
async def list_all_jobs(call: Call) -> schemas.AllJobs:
    query = call.query(PageQuery)
    page = await call.services.store.jobs.page(None, limit=query.limit, cursor=query.cursor)
    items = [caption_views.job(item) for item in page.items]
    return schemas.AllJobs(items=items, total=page.total, next=page.next)


def _entry(entry: AuditEntry) -> schemas.AuditOut:
    return schemas.AuditOut(**asdict(entry))


@table.route(
    "GET",
    f"{BASE}/audit",
    Action.ADMINISTER,
    "Who did what, newest first",
    query=schemas.AuditQuery,
    answer=schemas.AuditList,
)
async def list_audit(call: Call) -> schemas.AuditList:
    query = call.query(schemas.AuditQuery)
    await call.services.audit.settle()
    page = await call.services.store.audit.page(
        actor=query.actor, action=query.action, since=query.since, limit=query.limit, cursor=query.cursor
    )
    return schemas.AuditList(items=[_entry(item) for item in page.items], total=page.total, next=page.next)


@table.route(
    "GET",
    f"{BASE}/audit.jsonl",
    Action.ADMINISTER,
    "The audit log, a JSON object on each line",
    query=schemas.AuditFilter,
    produces="application/jsonl",
)
async def export_audit(call: Call) -> web.StreamResponse:
    query, audit = call.query(schemas.AuditFilter), call.services.audit
    await audit.settle()
    audit.put(call.actor, "export-audit", "audit", "", caller_of(call.request).address)
    response = web.StreamResponse(headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'})
    response.content_type = "application/jsonl"
    await response.prepare(call.request)
    cursor = None
    while True:
        page = await call.services.store.audit.page(
            actor=query.actor, action=query.action, since=query.since, limit=EXPORT_PAGE, cursor=cursor
        )
        await response.write("".join(_entry(item).model_dump_json() + "\n" for item in page.items).encode())
        cursor = page.next
        if cursor is None:
            break
    await response.write_eof()
    return response


@table.route(
    "GET",
    f"{BASE}/webhooks",
    Action.ADMINISTER,
    "What other servers were told, newest first",
    query=PageQuery,
    answer=schemas.DeliveryList,
)
async def list_deliveries(call: Call) -> schemas.DeliveryList:
    query = call.query(PageQuery)
    page = await call.services.store.deliveries.page(limit=query.limit, cursor=query.cursor)
    return schemas.DeliveryList(items=[_delivery(item) for item in page.items], total=page.total, next=page.next)


def _delivery(item: Delivery) -> schemas.DeliveryOut:
    values = {name: value for name, value in asdict(item).items() if name in schemas.DeliveryOut.model_fields}
    return schemas.DeliveryOut(server=urlsplit(item.url).hostname or "", **values)


@table.route(
    "GET",
    f"{BASE}/overview",
    Action.ADMINISTER,
    "How the server is, and the settings in force",
    answer=schemas.Overview,
)
async def overview(call: Call) -> schemas.Overview:
    services = call.services
    return schemas.Overview(
        version=__version__,
        started_at=services.started_at,
        components=await examine(services),
        settings=_settings(services.settings),
    )


def _settings(settings: Settings) -> list[schemas.SettingOut]:
    shown = settings_shown(settings)
    return [
        schemas.SettingOut(
            name=PREFIX + name.upper(),
            value=shown[name],
            default=getattr(settings, name) == field.get_default(call_default_factory=True),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]
