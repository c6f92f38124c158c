"""The server's source as the structure tests see it: modules, what they import, how long they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Import:
    """One imported module; `lazy` when it stands inside a function."""

    module: str
    line: int
    lazy: bool


class Module:
    """One file of Python."""

    def __init__(self, path: Path, root: Path = ROOT) -> None:
        self.path = path.relative_to(root)
        self.text = path.read_text(encoding="utf-8")
        self.is_package = path.name == "__init__.py"
        parts = self.path.with_suffix("").parts
        self.name = ".".join(parts[:-1] if self.is_package else parts)

    def __repr__(self) -> str:
        return str(self.path)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def imports(self) -> Iterator[Import]:
        """Everything imported at run time; `from a import b` counts as `a.b`."""
        yield from self._imports(self.tree, lazy=False)

    def _imports(self, node: ast.AST, lazy: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                yield from (Import(f"{child.module}.{alias.name}", child.lineno, lazy) for alias in child.names)
            elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
                for other in child.orelse:
                    yield from self._imports(other, lazy)
            else:
                inside = lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from self._imports(child, inside)

    def type_imports(self) -> Iterator[Import]:
        """Imports that only type checkers see."""
        seen = {(found.module, found.line) for found in self.imports}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    module = f"{node.module}.{alias.name}"
                    if (module, node.lineno) not in seen:
                        yield Import(module, node.lineno, lazy=True)

    @property
    def functions(self) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
        """Every function and its length in lines, from `def` to its end without the docstring."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                first = node.body[0]
                if ast.get_docstring(node, clean=False) is not None:
                    length -= (first.end_lineno or first.lineno) - first.lineno + 1
                yield node, length

    @property
    def broad_handlers(self) -> Iterator[ast.ExceptHandler]:
        """Handlers of everything that do not raise again at their end."""
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            names = {ast.unparse(kind) if kind else "everything" for kind in kinds}
            last = node.body[-1]
            again = isinstance(last, ast.Raise) and last.exc is None
            if names & {"Exception", "BaseException", "everything"} and not again:
                yield node


def modules(folder: str = "server") -> list[Module]:
    return [Module(path) for path in sorted((ROOT / folder).rglob("*.py"))]
