"""A player of one recording, for pages of other sites to show in a frame."""

from __future__ import annotations

from aiohttp import web

from server.accounts import Action
from server.web.middleware import CONTENT_SECURITY_POLICY
from server.web.pages import static_document
from server.web.routing import Call, RouteTable

table = RouteTable("embed")


@table.route(
    "GET",
    "/embed/recordings/{id}",
    Action.VIEW_PAGE,
    "A player of one recording for a frame",
    produces="text/html",
    documented=False,
)
async def player(call: Call) -> web.StreamResponse:
    """The document is everybody's and says nothing of the recording: what it asks for goes through the one gate."""
    response = await static_document("embed.html", "js/embed.js")
    sites = " ".join(call.services.settings.embed_sites) or "'none'"
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.replace(
        "frame-ancestors 'none'", f"frame-ancestors {sites}"
    )
    return response
