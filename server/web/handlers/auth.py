"""Coming in and going out."""

from __future__ import annotations

from aiohttp import web

from server.accounts import Action, Role
from server.accounts.sessions import actor_for
from server.accounts.users import NewUser, SignedIn
from server.errors import Conflict
from server.rates import Rate
from server.web import account_schemas, account_views
from server.web.identity import caller_of, drop_session, keep_session
from server.web.routing import Call, RouteTable

table = RouteTable("auth")

COOKIE = {"Set-Cookie": "The session, for browsers."}


@table.route(
    "GET", "/api/v1/auth", Action.SIGN_IN, "How one gets in, and whether one is", answer=account_schemas.AuthOut
)
async def how(call: Call) -> account_schemas.AuthOut:
    services = call.services
    return account_schemas.AuthOut(
        accounts=services.settings.accounts,
        registration=services.settings.registration,
        first=await services.first.open(),
        signed_in=call.actor.role is not Role.NOBODY,
    )


@table.route(
    "POST",
    "/api/v1/auth/register",
    Action.SIGN_IN,
    "Make an account",
    body=account_schemas.Registration,
    answer=account_schemas.Me,
    status=201,
    errors=(403, 409, 503),
    gives=COOKIE,
)
async def register(call: Call) -> web.Response:
    wanted = call.body(account_schemas.Registration)
    with_accounts(call)
    caller = caller_of(call.request)
    return await welcome(call, await call.services.people.register(_new(wanted), caller, wanted.invitation), 201)


@table.route(
    "POST",
    "/api/v1/auth/first",
    Action.SIGN_IN,
    "Make the first account, an administrator's",
    body=account_schemas.FirstRegistration,
    answer=account_schemas.Me,
    status=201,
    errors=(403, 409, 503),
    gives=COOKIE,
)
async def first(call: Call) -> web.Response:
    wanted = call.body(account_schemas.FirstRegistration)
    with_accounts(call)
    came = await call.services.people.make_first(_new(wanted), caller_of(call.request), wanted.token)
    await call.services.owners_changed()
    return await welcome(call, came, 201)


@table.route(
    "POST",
    "/api/v1/auth/sign-in",
    Action.SIGN_IN,
    "Sign in",
    body=account_schemas.SignIn,
    answer=account_schemas.Me,
    errors=(401, 403, 429, 503),
    gives=COOKIE,
)
async def sign_in(call: Call) -> web.Response:
    wanted = call.body(account_schemas.SignIn)
    with_accounts(call)
    came = await call.services.people.sign_in(wanted.name, wanted.password, caller_of(call.request))
    return await welcome(call, came, 200)


@table.route("POST", "/api/v1/auth/sign-out", Action.SIGN_IN, "Sign out", status=204, rate=Rate.WRITE)
async def sign_out(call: Call) -> web.Response:
    await call.services.people.sign_out(caller_of(call.request))
    response = web.Response(status=204)
    drop_session(response, call.request)
    return response


def _new(wanted: account_schemas.NewAccount) -> NewUser:
    return NewUser(wanted.name, wanted.password, wanted.display_name, wanted.email or None)


def with_accounts(call: Call) -> None:
    """Raises Conflict where the server has no accounts."""
    if not call.services.settings.accounts:
        raise Conflict("This server has no accounts: whoever reaches it is its one user.", code="no-accounts")


async def welcome(call: Call, came: SignedIn, status: int) -> web.Response:
    """Who has come in, with the cookie of the session that has begun."""
    me = await account_views.me(call.services, actor_for(came.user, ""))
    response = web.Response(status=status, body=me.model_dump_json().encode(), content_type="application/json")
    keep_session(response, call.request, came.token)
    return response
