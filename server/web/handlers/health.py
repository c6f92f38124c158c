"""Is it alive, is it well, what does it count."""

from __future__ import annotations

import asyncio
import shutil

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from server.accounts import Action
from server.config import Settings
from server.errors import ClearcastError
from server.web import schemas
from server.web.routing import Call, RouteTable
from server.web.services import Services

PATIENCE = 3.0
"""Seconds that a component may take to answer."""

table = RouteTable("health")


@table.route("GET", "/health/live", Action.CHECK_HEALTH, "Whether the process answers", answer=schemas.Health)
async def live(call: Call) -> schemas.Health:
    return schemas.Health(status="ok")


@table.route(
    "GET",
    "/health/ready",
    Action.CHECK_HEALTH,
    "Whether streams can be taken, by component",
    answer=schemas.Health,
    errors=(503,),
)
async def ready(call: Call) -> web.Response:
    components = await examine(call.services)
    states = {component.state for component in components.values()}
    status = "failed" if "failed" in states else "degraded" if states & {"degraded", "starting"} else "ok"
    body = schemas.Health(status=status, components=components).model_dump_json()
    return web.Response(status=503 if status == "failed" else 200, text=body, content_type="application/json")


@table.route("GET", "/metrics", Action.READ_METRICS, "Metrics for Prometheus", produces="text/plain")
async def metrics(call: Call) -> web.Response:
    text = await asyncio.to_thread(generate_latest)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def examine(services: Services) -> dict[str, schemas.Component]:
    """The state of each component; "failed" only where streams cannot be taken."""
    status = services.denoise.status
    missing = status.engine != services.settings.denoise and status.state == "ready"
    worker = {"ready": "ok"}.get(status.state, status.state)
    detail = status.detail or (f"{status.engine} on {status.device}" if status.engine else "")
    return {
        "models": schemas.Component(state="degraded" if missing else worker, detail=detail),
        "inference": schemas.Component(state=worker, detail=status.detail),
        "captions": _captions(services),
        "disk": await _disk(services),
        "database": await _database(services),
    }


def _captions(services: Services) -> schemas.Component:
    status = services.captions.status
    models = " and ".join(name for name in (status.recogniser, status.diarizer) if name is not None)
    return schemas.Component(state={"ready": "ok"}.get(status.state, status.state), detail=status.detail or models)


async def _disk(services: Services) -> schemas.Component:
    try:
        free, writable = await asyncio.wait_for(asyncio.to_thread(_look, services.settings), PATIENCE)
    except (OSError, TimeoutError) as error:
        return schemas.Component(state="failed", detail=f"The data folder does not answer ({type(error).__name__}).")
    text = f"{free // 1_000_000} MB free"
    if not writable:
        return schemas.Component(state="failed", detail="The data folder cannot be written to.")
    if free < services.settings.disk_reserve_mb * 1_000_000:
        return schemas.Component(state="degraded", detail=f"{text}: too little, no recording begins.")
    return schemas.Component(state="ok", detail=text)


def _look(settings: Settings) -> tuple[int, bool]:
    """Free bytes where recordings go, and whether the data folder can be written to."""
    folder = settings.recordings_dir if settings.recordings_dir.is_dir() else settings.data_dir
    free = shutil.disk_usage(folder).free
    probe = settings.data_dir / ".writable"
    try:
        probe.touch()
        probe.unlink()
    except OSError:
        return free, False
    return free, True


async def _database(services: Services) -> schemas.Component:
    try:
        await asyncio.wait_for(services.store.check(), PATIENCE)
    except (ClearcastError, TimeoutError, OSError) as error:
        return schemas.Component(state="failed", detail=f"The database does not answer ({type(error).__name__}).")
    return schemas.Component(state="ok")
