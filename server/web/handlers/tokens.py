"""Tokens for programs, API keys, and the stream key."""

from __future__ import annotations

from datetime import timedelta

from server.accounts import Action, Resource, Role
from server.accounts.keys import stream_credential
from server.accounts.tokens import Granted, actor_of
from server.errors import ClearcastError, Conflict, NotFound
from server.rates import Rate
from server.store.people_records import ApiKey, User
from server.web import counting, schemas, token_schemas
from server.web.address import client_address, is_secure
from server.web.identity import caller_of
from server.web.routing import Call, RouteTable

table = RouteTable("tokens")


def with_accounts(call: Call) -> None:
    """Raises Conflict where there are none."""
    if not call.services.settings.accounts or call.actor.role is Role.LOCAL:
        raise Conflict("This server has no accounts: whoever reaches it is its one user.", code="no-accounts")


# Programs that sign in


@table.route(
    "POST",
    "/api/v1/auth/token",
    Action.SIGN_IN,
    "Tokens for a program, by password or by refresh token",
    body=token_schemas.TokenRequest,
    answer=token_schemas.TokenOut,
    errors=(401, 403, 409, 503),
    rate=Rate.WRITE,
)
async def grant(call: Call) -> token_schemas.TokenOut:
    with_accounts(call)
    wanted = call.body(token_schemas.TokenRequest)
    if wanted.refresh_token is not None:
        return _granted(await call.services.tokens.refresh(wanted.refresh_token))
    assert wanted.name is not None and wanted.password is not None
    counting.enter(Rate.SIGN_IN, call.request)
    caller = caller_of(call.request)
    user = await call.services.people.check(wanted.name, wanted.password, caller)
    given = await call.services.tokens.begin(user, wanted.client or "a program", wanted.scopes)
    actor = actor_of(user, given.scopes, given.family)
    call.services.audit.put(actor, "sign-in", "program", given.family, caller.address, detail=wanted.client)
    return _granted(given)


def _granted(given: Granted) -> token_schemas.TokenOut:
    return token_schemas.TokenOut(
        access_token=given.access_token,
        refresh_token=given.refresh_token,
        expires_in=given.expires_in,
        scopes=sorted(given.scopes),
        name=given.user.name,
    )


@table.route(
    "POST",
    "/api/v1/auth/token/revoke",
    Action.SIGN_IN,
    "Sign a program out (RFC 7009); a token that is none is no mistake",
    body=token_schemas.RevokeRequest,
    status=204,
    rate=Rate.WRITE,
)
async def revoke(call: Call) -> None:
    ended = await call.services.tokens.revoke(call.body(token_schemas.RevokeRequest).refresh_token)
    if ended is not None:
        user = await call.services.store.users.get(ended.user_id)
        _note(call, "sign-out", "program", ended.family, user=user)


@table.route(
    "GET",
    "/api/v1/account/programs",
    Action.CHANGE_ACCOUNT,
    "Programs that are signed in as oneself",
    answer=token_schemas.ProgramList,
    rate=Rate.READ,
)
async def list_programs(call: Call) -> token_schemas.ProgramList:
    families = await call.services.store.keys.families(call.actor.id, call.services.clock.wall())
    items = [
        token_schemas.ProgramOut(
            id=token.family,
            client=token.client,
            scopes=list(token.scopes),
            created_at=token.created_at,
            expires_at=token.expires_at,
        )
        for token in families
    ]
    return token_schemas.ProgramList(items=items, total=len(items))


@table.route("DELETE", "/api/v1/account/programs/{id}", Action.CHANGE_ACCOUNT, "Sign a program out", status=204)
async def end_program(call: Call) -> None:
    if not await call.services.tokens.revoke_family(call.actor.id, call.path("id")):
        raise NotFound("There is no such program; it may have signed out.", code="unknown-program")
    _note(call, "sign-out", "program", call.path("id"))


# API keys


async def load_key(call: Call) -> Resource:
    """The key that the address names. Raises NotFound, for everybody else's too."""
    key = await call.services.store.keys.key(call.path("id"))
    if key.user_id != call.actor.id:
        raise NotFound("There is no such key.", code="unknown-key")
    call.subject = key
    return Resource("key", key.id, key.user_id)


@table.route(
    "GET",
    "/api/v1/account/keys",
    Action.CHANGE_ACCOUNT,
    "One's API keys, the newest first",
    query=schemas.PageQuery,
    answer=token_schemas.KeyList,
)
async def list_keys(call: Call) -> token_schemas.KeyList:
    query = call.query(schemas.PageQuery)
    page = await call.services.store.keys.keys(call.actor.id, limit=query.limit, cursor=query.cursor)
    return token_schemas.KeyList(items=[_key(key) for key in page.items], total=page.total, next=page.next)


@table.route(
    "POST",
    "/api/v1/account/keys",
    Action.CHANGE_ACCOUNT,
    "A new API key",
    body=token_schemas.NewKey,
    answer=token_schemas.KeyMade,
    status=201,
    errors=(403, 409),
)
async def create_key(call: Call) -> token_schemas.KeyMade:
    with_accounts(call)
    wanted = call.body(token_schemas.NewKey)
    days = wanted.expires_days
    expires_at = call.services.clock.wall() + timedelta(days=days) if days is not None else None
    try:
        key, text = await call.services.keys.create(await _me(call), wanted.name, wanted.scopes, expires_at)
    except ClearcastError as error:
        _note(call, "create", "key", "", error.code)
        raise
    _note(call, "create", "key", key.id, detail=" ".join(key.scopes))
    return token_schemas.KeyMade(**_key(key).model_dump(), key=text)


@table.route(
    "POST",
    "/api/v1/account/keys/{id}/rotate",
    Action.CHANGE_ACCOUNT,
    "Another text for a key; the one before opens nothing from now on",
    resource=load_key,
    answer=token_schemas.KeyMade,
)
async def rotate_key(call: Call) -> token_schemas.KeyMade:
    key, text = await call.services.keys.rotate(call.subject)
    _note(call, "rotate", "key", key.id)
    return token_schemas.KeyMade(**_key(key).model_dump(), key=text)


@table.route(
    "DELETE", "/api/v1/account/keys/{id}", Action.CHANGE_ACCOUNT, "Revoke a key", resource=load_key, status=204
)
async def revoke_key(call: Call) -> None:
    await call.services.keys.revoke(call.subject)
    _note(call, "revoke", "key", call.subject.id)


# The stream key


@table.route(
    "GET",
    "/api/v1/account/stream-key",
    Action.CHANGE_ACCOUNT,
    "Whether there is a stream key for OBS and the like",
    answer=token_schemas.StreamKeyOut,
)
async def read_stream_key(call: Call) -> token_schemas.StreamKeyOut:
    return await _stream_key(call)


@table.route(
    "POST",
    "/api/v1/account/stream-key",
    Action.CHANGE_ACCOUNT,
    "A new stream key; the one before opens nothing from now on",
    answer=token_schemas.StreamKeyMade,
    status=201,
    errors=(409,),
)
async def make_stream_key(call: Call) -> token_schemas.StreamKeyMade:
    with_accounts(call)
    text, _ = await call.services.keys.new_stream_key(call.actor.id)
    _note(call, "create", "stream-key", stream_credential(call.actor.id))
    return token_schemas.StreamKeyMade(**(await _stream_key(call)).model_dump(), key=text)


@table.route("DELETE", "/api/v1/account/stream-key", Action.CHANGE_ACCOUNT, "No stream key", status=204)
async def drop_stream_key(call: Call) -> None:
    await call.services.keys.drop_stream_key(call.actor.id)
    _note(call, "revoke", "stream-key", stream_credential(call.actor.id))


async def _stream_key(call: Call) -> token_schemas.StreamKeyOut:
    found = await call.services.store.keys.stream_key(call.actor.id)
    channel = await call.services.store.users.channel(call.actor.id)
    scheme, host = "https" if is_secure(call.request) else "http", call.request.headers.get("Host", "")
    slug = (channel or call.services.default_channel).slug
    return token_schemas.StreamKeyOut(
        exists=found is not None,
        hint=found[0] if found is not None else "",
        created_at=found[1] if found is not None else None,
        whip_url=f"{scheme}://{host}/whip/{slug}" if host else f"/whip/{slug}",
    )


def _key(key: ApiKey) -> token_schemas.KeyOut:
    return token_schemas.KeyOut(
        id=key.id,
        name=key.name,
        hint=key.hint,
        scopes=list(key.scopes),
        created_at=key.created_at,
        used_at=key.used_at,
        expires_at=key.expires_at,
    )


async def _me(call: Call) -> User:
    user, _ = await call.services.people.me(call.actor)
    return user


def _note(
    call: Call,
    action: str,
    kind: str,
    subject: str,
    result: str = "ok",
    *,
    detail: str = "",
    user: User | None = None,
) -> None:
    actor = actor_of(user, None, subject) if user is not None else call.actor
    call.services.audit.put(actor, action, kind, subject, client_address(call.request), result, detail)
