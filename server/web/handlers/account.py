"""One's own account: profile, picture, password, sessions; and invitations of others."""

from __future__ import annotations

from aiohttp import web

from server.accounts import Action
from server.accounts.users import SignedIn
from server.errors import NotFound
from server.rates import Rate
from server.store.invitations import Invitation
from server.web import account_schemas as schemas
from server.web import account_views
from server.web.handlers.auth import COOKIE, welcome, with_accounts
from server.web.identity import caller_of
from server.web.routing import Call, RouteTable

PICTURE_LIMIT = 2 << 20
"""Bytes of a picture that is sent."""

table = RouteTable("account")


@table.route(
    "PATCH",
    "/api/v1/account/profile",
    Action.CHANGE_PROFILE,
    "Change one's profile and preferences",
    body=schemas.ProfilePatch,
    answer=schemas.Me,
    errors=(409,),
)
async def change_profile(call: Call) -> schemas.Me:
    with_accounts(call)
    wanted = call.body(schemas.ProfilePatch)
    chosen = wanted.preferences
    await call.services.accounts.profiles.change(
        call.actor,
        caller_of(call.request),
        display_name=wanted.display_name,
        bio=wanted.bio,
        preferences=chosen.model_dump(mode="json", exclude_unset=True) if chosen is not None else None,
    )
    if wanted.display_name is not None:
        await call.services.owners_changed()
    if wanted.display_name is not None or wanted.bio is not None:
        await call.services.community.profile_changed(call.actor.id)
    if chosen is not None:
        call.services.access.default_changed()
    return await account_views.me(call.services, call.actor)


@table.route(
    "PUT",
    "/api/v1/account/avatar",
    Action.CHANGE_PROFILE,
    "A new picture: JPEG, PNG, WebP or GIF, at most 2 MB; kept as a square of 256 pixels",
    accepts="image/*",
    answer=schemas.Me,
    limit=PICTURE_LIMIT,
    errors=(409,),
)
async def set_avatar(call: Call) -> schemas.Me:
    with_accounts(call)
    await call.services.accounts.profiles.set_avatar(call.actor, call.data, caller_of(call.request))
    await call.services.community.profile_changed(call.actor.id)
    return await account_views.me(call.services, call.actor)


@table.route(
    "DELETE", "/api/v1/account/avatar", Action.CHANGE_PROFILE, "No picture any more", status=204, errors=(409,)
)
async def drop_avatar(call: Call) -> None:
    with_accounts(call)
    await call.services.accounts.profiles.drop_avatar(call.actor, caller_of(call.request))
    await call.services.community.profile_changed(call.actor.id)


@table.route(
    "GET",
    "/api/v1/people/{id}/avatar",
    Action.READ_PERSON,
    "Somebody's picture",
    query=schemas.AvatarQuery,
    produces="image/jpeg",
    errors=(404,),
)
async def avatar(call: Call) -> web.Response:
    circle = await call.services.circles.of(call.actor.id)
    if call.path("id") in circle.barred:
        raise NotFound("There is no such picture.", code="unknown-picture")
    picture = await call.services.accounts.profiles.avatar(call.path("id"))
    # The address changes with the picture; what a proxy keeps would be shown to people who may not see it.
    kept = {"Cache-Control": "private, max-age=86400"}
    return web.Response(body=picture, content_type="image/jpeg", headers=kept)


@table.route(
    "POST",
    "/api/v1/account/password",
    Action.CHANGE_ACCOUNT,
    "Another password; everybody who was signed in with the old one has to sign in again",
    body=schemas.NewPassword,
    answer=schemas.Me,
    errors=(403, 409, 429, 503),
    rate=Rate.SIGN_IN,
    gives=COOKIE,
)
async def change_password(call: Call) -> web.Response:
    with_accounts(call)
    wanted = call.body(schemas.NewPassword)
    caller = caller_of(call.request)
    came = await call.services.accounts.profiles.change_password(call.actor, wanted.current, wanted.new, caller)
    return await welcome(call, came, 200)


@table.route(
    "POST",
    "/api/v1/account/email",
    Action.CHANGE_ACCOUNT,
    "Another e-mail address, or none",
    body=schemas.NewEmail,
    answer=schemas.Me,
    errors=(403, 409, 429, 503),
    rate=Rate.SIGN_IN,
)
async def change_email(call: Call) -> schemas.Me:
    with_accounts(call)
    wanted = call.body(schemas.NewEmail)
    caller = caller_of(call.request)
    await call.services.accounts.profiles.change_email(call.actor, wanted.password, wanted.email, caller)
    return await account_views.me(call.services, call.actor)


# Sessions


@table.route(
    "GET",
    "/api/v1/account/sessions",
    Action.CHANGE_ACCOUNT,
    "Browsers in which one is signed in, the newest first",
    answer=schemas.SessionList,
)
async def list_sessions(call: Call) -> schemas.SessionList:
    found = await call.services.sessions.of_user(call.actor.id)
    items = [
        schemas.SessionOut(
            id=item.id,
            agent=item.agent,
            address=item.address,
            created_at=item.created_at,
            seen_at=item.seen_at,
            expires_at=item.expires_at,
            current=item.id == call.actor.credential,
        )
        for item in found
    ]
    return schemas.SessionList(items=items, total=len(items))


@table.route(
    "DELETE",
    "/api/v1/account/sessions/{id}",
    Action.CHANGE_ACCOUNT,
    "Sign a browser out",
    status=204,
    errors=(404,),
)
async def end_session(call: Call) -> None:
    await call.services.sessions.end(call.actor.id, call.path("id"))
    call.services.audit.put(call.actor, "end-session", "session", call.path("id"), caller_of(call.request).address)


@table.route(
    "POST",
    "/api/v1/account/sessions/end-others",
    Action.CHANGE_ACCOUNT,
    "Sign out everywhere else, programs too",
    status=204,
)
async def end_others(call: Call) -> None:
    await call.services.people.end_others(call.actor, caller_of(call.request))


@table.route(
    "POST",
    "/api/v1/account/sessions/extend",
    Action.CHANGE_ACCOUNT,
    "Stay signed in for as long as on the first day",
    body=schemas.Confirmation,
    answer=schemas.Me,
    errors=(403, 409, 429, 503),
    rate=Rate.SIGN_IN,
    gives=COOKIE,
)
async def extend(call: Call) -> web.Response:
    with_accounts(call)
    wanted = call.body(schemas.Confirmation)
    came: SignedIn = await call.services.people.extend(call.actor, wanted.password, caller_of(call.request))
    return await welcome(call, came, 200)


# Invitations


@table.route(
    "POST",
    "/api/v1/invitations",
    Action.INVITE,
    "Invite somebody: a link with which one person may register",
    body=schemas.NewInvitation,
    answer=schemas.InvitationMade,
    status=201,
    errors=(403, 409),
)
async def invite(call: Call) -> schemas.InvitationMade:
    with_accounts(call)
    wanted = call.body(schemas.NewInvitation)
    caller = caller_of(call.request)
    made, link = await call.services.accounts.invitations.create(call.actor, wanted.note, wanted.days, caller)
    return schemas.InvitationMade(**_invitation(call, made).model_dump(), link=link)


@table.route(
    "GET",
    "/api/v1/invitations",
    Action.INVITE,
    "One's invitations of the last weeks, the newest first",
    answer=schemas.InvitationList,
)
async def list_invitations(call: Call) -> schemas.InvitationList:
    items = [_invitation(call, item) for item in await call.services.accounts.invitations.of_user(call.actor)]
    return schemas.InvitationList(items=items, total=len(items))


@table.route("DELETE", "/api/v1/invitations/{id}", Action.INVITE, "Take an invitation back", status=204, errors=(404,))
async def take_back(call: Call) -> None:
    await call.services.accounts.invitations.take_back(call.actor, call.path("id"), caller_of(call.request))


def _invitation(call: Call, item: Invitation) -> schemas.InvitationOut:
    expired = item.expires_at <= call.services.clock.wall()
    return schemas.InvitationOut(
        id=item.id,
        note=item.note,
        created_at=item.created_at,
        expires_at=item.expires_at,
        used_at=item.used_at,
        used_by=item.used_by,
        state="used" if item.used_at is not None else "expired" if expired else "open",
    )


@table.route(
    "GET",
    "/api/v1/account/storage",
    Action.READ_SELF,
    "How much room one's recordings and uploads take, and how much there is",
    answer=schemas.StorageOut,
)
async def read_storage(call: Call) -> schemas.StorageOut:
    storage = await call.services.quotas.storage(call.actor.id)
    return schemas.StorageOut(
        used_bytes=storage.used,
        quota_bytes=storage.quota,
        bin_bytes=storage.bin,
        uploads_bytes=storage.uploads,
    )
