"""Whatever is sent that the API's description allows, and much that it does not, ends in no error of the server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp

from server.app import Server
from server.rooms.messages import known_caption, known_speakers
from server.store.captions import CaptionBatch
from server.store.records import Recording, StoredStream
from tests.recordings.saying import ADA, SECOND, caption
from tests.recordings.writing import write_recording

ROOT = Path(__file__).parents[2]
LIMIT_S = 400
EXAMPLES = 3
"""Of each operation; those that try its boundaries one by one come on top."""
LASTING = ("/account/delete", "/auth/first", "/admin/accounts")
"""What would end the only person that there is here."""


async def test_no_request_ends_in_an_error_of_the_server(
    server: Server, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    await someone_has_talked(server)
    async with http.get("/api/v1/openapi.json") as response:
        document = with_what_there_is(await response.json(), server.services.default_channel.slug)
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(document))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(described), "--url", f"http://127.0.0.1:{server.port}"),
        *("--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--max-examples", str(EXAMPLES)),
        *("--seed", "1", "--no-color", "--request-timeout", "30"),
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.web.fuzz_hooks", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said = (await asyncio.wait_for(process.communicate(), LIMIT_S))[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said
    assert "Unresolvable" not in said, said


async def someone_has_talked(server: Server) -> None:
    """A recording "abc" with captions, so that there is something to ask for."""
    store, home = server.services.store, server.services.default_channel
    began = home.created_at
    await store.save_stream(StoredStream("abc", home.id, "local", "Anna", "Talk", "ended", began, began, recorded=True))
    write_recording(server.settings.recordings_dir, "abc", 1.0)
    await store.save_recording(Recording("abc", "abc", "Talk", "", "", "", "", began, "ready", length=48_000))
    said = [known_caption(caption(1, "Good morning")), known_caption(caption(2, "Well", speakers=["S2"]))]
    await store.captions.save(CaptionBatch({"abc": said}, {"abc": known_speakers([ADA, SECOND])}))


def with_what_there_is(document: dict[str, Any], slug: str) -> dict[str, Any]:
    """The description with the ids that there are: others are refused before anything is looked at."""
    there = {"id": ["abc", "nobody"], "slug": [slug, "nobody"], "label": ["S1", "S9"], "number": ["1", "9"]}
    for path in list(document["paths"]):
        operations = document["paths"][path]
        operations.pop("delete", None)  # what is gone cannot be asked for
        if any(part in path for part in LASTING) or path.endswith("/events") or not operations:
            del document["paths"][path]  # events have no end
            continue
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and parameter["name"] in there:
                    parameter["schema"] = {"type": "string", "enum": there[parameter["name"]]}
    return document
