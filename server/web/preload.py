"""The page's documents, with everything named that their addresses need: browsers fetch it at once, not one by one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

_IMPORT = re.compile(r'^\s*(?:import|export)\b[^;"]*?"(\.{1,2}/[^"]+)"', re.MULTILINE)
_CONSTANT = re.compile(r"^const (\w+) = /(.+)/;$", re.MULTILINE)
_ROUTE = re.compile(r"\{ pattern: (?:/(?P<pattern>.+?)/|(?P<name>\w+)), view: .*?\bviews\.(?P<view>\w+)\(\)")
APP = "js/app.js"

Sources = Mapping[str, str]
"""The text of every module, by its name inside the folder of the page."""


def views(app: str) -> list[tuple[re.Pattern[str], str]]:
    """Which module shows what address, as the page's own table of routes says; the first that fits."""
    constants = dict(_CONSTANT.findall(app))
    return [
        (re.compile(found["pattern"] or constants[found["name"]]), f"js/views/{found['view']}.js")
        for found in _ROUTE.finditer(app)
    ]


def beginning(app: str, path: str) -> tuple[str, ...]:
    """The modules that begin an address of the page: the application, and what it shows there."""
    shown = next((view for pattern, view in views(app) if pattern.search(path)), None)
    return (APP, shown) if shown else (APP,)


def needed(sources: Sources, begin: Iterable[str]) -> list[str]:
    """Every module that these import, and they import in turn."""
    found: dict[str, None] = {}
    waiting = list(begin)
    for name in waiting:
        if name in found or name not in sources:
            continue
        found[name] = None
        folder = posixpath.dirname(name)
        waiting += [posixpath.normpath(posixpath.join(folder, other)) for other in _IMPORT.findall(sources[name])]
    return list(found)


def document(html: str, base: str, named: Iterable[str], data: Iterable[str] = ()) -> str:
    """A document whose files are found below `base`, that names modules and data which will be asked for."""
    links = [f'<link rel="preload" as="fetch" crossorigin href="{_quoted(address)}">' for address in data]
    links += [f'<link rel="modulepreload" href="/static/{name}">' for name in named]
    # Data before the modules: the server finds it out while the browser reads them.
    whole = html.replace('<link rel="icon"', "\n".join([*links, '<link rel="icon"']), 1)
    return whole.replace('"/static/', f'"{base}')


def _quoted(address: str) -> str:
    return address.replace("&", "&amp;").replace('"', "&quot;")
