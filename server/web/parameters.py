"""What may stand in the parts of an address: checked before anything is looked up by it."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError, create_model

from server.errors import NotFound
from server.store.ids import MAX_SLUG

IDENTIFIER = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
KINDS: dict[str, Any] = {
    "slug": Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+$", max_length=MAX_SLUG)],
    "peer": Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}(\.[0-9a-f]{1,64})?$")],
    "number": Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")],
    "label": Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f/]{1,64}$")],
    "path": Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,500}$")],
}
"""By name; every other part of an address is an identifier."""


@cache
def model(path: str) -> type[BaseModel] | None:
    """What the parts of a declared path must look like; None where it has none."""
    names = re.findall(r"\{(\w+)(?::[^}]*)?\}", path)
    if not names:
        return None
    fields: dict[str, Any] = {name: (KINDS.get(name, IDENTIFIER), ...) for name in names}
    made: type[BaseModel] = create_model("Path", __config__=ConfigDict(strict=True, extra="forbid"), **fields)
    return made


def schema(name: str) -> dict[str, Any]:
    """What a part of an address may be, as JSON Schema."""
    return TypeAdapter(KINDS.get(name, IDENTIFIER)).json_schema()


def check(path: str, values: dict[str, str]) -> None:
    """Raises NotFound where a part of an address is nothing that could be there."""
    expected = model(path)
    if expected is None:
        return
    try:
        expected.model_validate(values)
    except ValidationError:
        raise NotFound("There is nothing at this address.") from None
