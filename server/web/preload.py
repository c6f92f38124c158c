"""The page's document, with the modules named that the address needs: browsers fetch them at once, not one by one."""

from __future__ import annotations

import functools
import re
from pathlib import Path

_IMPORT = re.compile(r'^\s*(?:import|export)\b[^;"]*?"(\.{1,2}/[^"]+)"', re.MULTILINE)
_FIRST = re.compile(r"^/(\w+)")
_VIEWS = {"": "studio", "live": "live", "listen": "listen", "recordings": "recordings", "settings": "settings"}
"""Which module shows what an address begins with. A page that is not named here loads a moment later."""


def document(root: Path, path: str) -> str:
    """`index.html` for an address of the page. Reads files: call it in a thread."""
    first = _FIRST.match(path)
    view = _VIEWS.get(first[1] if first else "")
    if view == "recordings" and path.strip("/") != "recordings":
        view = "recording"
    return _with_preloads(root, view or "")


@functools.lru_cache(maxsize=16)
def _with_preloads(root: Path, view: str) -> str:
    begin = [root / "js/app.js", *([root / f"js/views/{view}.js"] if view else [])]
    links = "".join(f'<link rel="modulepreload" href="/static/{name}">\n' for name in needed(root, begin))
    return (root / "index.html").read_text("utf-8").replace("</head>", f"{links}</head>")


def needed(root: Path, begin: list[Path]) -> list[str]:
    """Every module that these import, and they import in turn: paths inside `root`, the first ones first."""
    found: dict[Path, None] = {}
    waiting = [path.resolve() for path in begin]
    for path in waiting:
        if path in found or not path.is_file():
            continue
        found[path] = None
        waiting += [(path.parent / name).resolve() for name in _IMPORT.findall(path.read_text("utf-8"))]
    return [path.relative_to(root.resolve()).as_posix() for path in found]
