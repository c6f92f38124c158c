"""A route is declared once; access, OpenAPI and the documentation follow from the declaration."""

from __future__ import annotations

import fnmatch
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from server.accounts import Action, Actor, Resource, Role, admit, authorise, unseen
from server.errors import InvalidRequest, NotFound, UnsupportedType
from server.rates import Rate
from server.web import counting, parameters
from server.web.identity import actor_of
from server.web.json_body import read_json
from server.web.services import SERVICES, Services

SDP_LIMIT = 64 * 1024
"""Bytes of a session description or of a fragment of one."""


ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass
class Call:
    """One request on its way through a route."""

    request: web.Request
    services: Services
    actor: Actor
    subject: Any = None
    """What the route's loader found."""
    checked_query: BaseModel | None = None
    checked_body: BaseModel | None = None
    text: str = ""
    """The body of a route that takes text."""
    data: bytes = b""
    """The body of a route that takes sound or a picture."""

    async def about(self, kind: str, id_: str, owner: str, channel_id: str = "") -> Resource:
        """A channel, stream or recording, and how the actor stands to it."""
        return await self.services.access.about(self.actor, kind, id_, owner, channel_id)

    def path(self, name: str) -> str:
        """A part of the address."""
        return self.request.match_info[name]

    def query(self, model: type[ModelT]) -> ModelT:
        """The checked query, of the model that the route declares."""
        assert isinstance(self.checked_query, model)
        return self.checked_query

    def body(self, model: type[ModelT]) -> ModelT:
        """The checked body, of the model that the route declares."""
        assert isinstance(self.checked_body, model)
        return self.checked_body


Handler = Callable[[Call], Awaitable[BaseModel | web.StreamResponse | None]]
Loader = Callable[[Call], Awaitable[Resource]]


async def nothing(call: Call) -> Resource:
    """For routes about nothing in particular."""
    return Resource("page")


@dataclass(frozen=True, kw_only=True)
class Route:
    """One way in.

    `resource` loads what the action is done to (and leaves it in `call.subject`); `accepts` is the body's content
    type where there is a body, `image/*` for any picture; `answer` the model of the response, None where `produces` is
    not JSON.
    """

    method: str
    path: str
    action: Action
    summary: str
    handler: Handler
    resource: Loader = nothing
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    accepts: str | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    produces: str | None = None
    errors: tuple[int, ...] = ()
    takes: Mapping[str, str] = field(default_factory=dict)
    """Headers of the request that mean something here, and what."""
    gives: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer, and what they say."""
    tag: str = "other"
    limit: int | None = None
    """Bytes of the body, where it is less than the setting allows."""
    documented: bool = True
    rate: Rate | None = None
    """How often it may be asked for, where that does not follow from what it is."""

    @property
    def counted_as(self) -> Rate:
        """The class in which its requests are counted."""
        if self.rate is not None:
            return self.rate
        if self.method in ("GET", "HEAD", "OPTIONS"):
            return Rate.READ if self.path.startswith("/api/") else Rate.PAGE
        if self.action is Action.SIGN_IN:
            return Rate.SIGN_IN
        if self.accepts is not None and self.accepts.startswith(("image/", "audio/", "video/", "multipart/")):
            return Rate.UPLOAD
        offers = self.method == "POST" and self.path.startswith(("/whip/", "/whep/"))
        return Rate.CONNECT if offers else Rate.WRITE

    @property
    def media_type(self) -> str | None:
        return self.produces or ("application/json" if self.answer is not None else None)


DESCRIBE: web.AppKey[Callable[[], bytes]] = web.AppKey("describe")
"""Makes the OpenAPI document of all routes; blocks the first time."""


@dataclass
class RouteTable:
    """The routes of one part of the API; `route` is the decorator that adds one."""

    tag: str
    routes: list[Route] = field(default_factory=list)

    def route(
        self, method: str, path: str, action: Action, summary: str, **declared: Any
    ) -> Callable[[Handler], Handler]:
        def add(handler: Handler) -> Handler:
            if declared.get("body") is not None:
                declared.setdefault("accepts", "application/json")
            self.routes.append(
                Route(
                    method=method, path=path, action=action, summary=summary, handler=handler, tag=self.tag, **declared
                )
            )
            return handler

        return add


async def dispatch(route: Route, request: web.Request) -> web.StreamResponse:
    """Authorise, check, handle, answer: the same for every route."""
    services = request.app[SERVICES]
    counting.enter(route.counted_as, request)
    call = Call(request, services, await actor_of(request))
    counting.identified(route.counted_as, request, call.actor)
    admit(call.actor, route.action)
    authorise(call.actor, route.action, await _resource(route, call))
    if route.query is not None:
        call.checked_query = _checked(route.query, dict(request.query))
    if route.accepts is not None:
        await _read(route, call)
    result = await route.handler(call)
    if isinstance(result, web.StreamResponse):
        return result
    if result is None:
        return web.Response(status=route.status if route.status != 200 else 204)
    return web.Response(status=route.status, body=result.model_dump_json().encode(), content_type="application/json")


async def _resource(route: Route, call: Call) -> Resource:
    try:
        parameters.check(route.path, dict(call.request.match_info))
        return await route.resource(call)
    except NotFound:
        if call.actor.role is Role.NOBODY:  # what is not there is answered like what may not be seen
            raise unseen(call.actor, Resource("page")) from None
        raise


async def _read(route: Route, call: Call) -> None:
    assert route.accepts is not None
    if not fnmatch.fnmatchcase(call.request.content_type, route.accepts):
        raise UnsupportedType(f"The body must be {route.accepts}.")
    body = await call.services.bodies.read(call.request, route.limit or call.services.settings.max_body_kb * 1024)
    if route.accepts.startswith(("audio/", "image/")):
        call.data = body
        return
    if route.body is None:
        try:
            call.text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise InvalidRequest("The body is not UTF-8 text.") from None
        return
    call.checked_body = _checked(route.body, read_json(body))


def _checked(model: type[BaseModel], values: Any) -> BaseModel:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidRequest("; ".join(_mistake(item) for item in error.errors()[:5])) from None


def _mistake(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])[:80]
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
