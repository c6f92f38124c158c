"""The repository itself: pinned, documented, installable, free of what belongs to somebody's machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.source import ROOT
from tools import lock, settings_table

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BINARY = {".png", ".ico", ".woff2", ".opus", ".flac", ".wav", ".bin", ".npz"}


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


def tracked() -> list[str]:
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git working copy: what belongs to the repository is not known")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)] == []
    assert lines == sorted(lines, key=str.lower)


def test_everything_that_gets_installed_is_pinned() -> None:
    extras = list(PROJECT["optional-dependencies"].values())
    waiting = [Requirement(text) for group in [PROJECT["dependencies"], *extras] for text in group]
    seen: set[tuple[str, frozenset[str]]] = set()
    missing = set()
    while waiting:
        needed = waiting.pop()
        name = canonicalize_name(needed.name)
        if lock.LEFT_OUT.match(name) or (name, frozenset(needed.extras)) in seen:
            continue
        seen.add((name, frozenset(needed.extras)))
        if name not in pinned():
            missing.add(name)
        try:
            below = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, below):
            environments = [{"extra": extra} for extra in (*needed.extras, "")]
            if not requirement.marker or any(requirement.marker.evaluate(item) for item in environments):
                waiting.append(requirement)
    assert missing == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    different = {}
    for name, version in pinned().items():
        try:
            found = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
        if found != version:
            different[name] = f"{found} instead of {version}"
    assert different == {}


def test_freezing_leaves_addresses_and_builds_out() -> None:
    frozen = ["torch==2.8.0+cpu", "nvidia-cublas-cu12==12.8.4.1", "Mako==1.4.3", "aiohttp==3.14.5", "triton==3.4.0"]
    assert lock.constraints(frozen) == ["aiohttp==3.14.5", "Mako==1.4.3", "torch==2.8.0"]
    with pytest.raises(ValueError, match="cannot be pinned"):
        lock.constraints(["thing @ https://example.org/thing.whl"])


def test_the_page_is_checked_with_pinned_tools_from_no_particular_place() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    assert "dependencies" not in package
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in package["devDependencies"].values())
    locked = json.loads((ROOT / "package-lock.json").read_text())
    assert [name for name, entry in locked["packages"].items() if "resolved" in entry] == []


def test_the_readme_lists_the_settings() -> None:
    readme = (ROOT / "README.md").read_text()
    assert settings_table.TABLE.within(readme) == readme, "`make format` writes the table"


def test_links_in_the_documents_lead_somewhere() -> None:
    dead = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text()):
            if "://" not in target and not (document.parent / target).exists():
                dead.append(f"{document.name}: {target}")
    assert dead == []


def test_the_ways_in_exist() -> None:
    assert PROJECT["scripts"] == {"clearcast": "server.cli:main"}
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
    makefile = (ROOT / "Makefile").read_text()
    for target in ("run", "test", "check", "demo", "lock", "format", "clean"):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_nothing_refers_to_a_place_outside() -> None:
    outside = re.compile(r"\.\./" + r"shared\b|/wo" + r"rk/(?:main|shared)")
    found = []
    for name in tracked():
        if name == ".ci/run" or (ROOT / name).suffix in BINARY:
            continue
        if outside.search((ROOT / name).read_text(encoding="utf-8", errors="replace")):
            found.append(name)
    assert found == []


def test_no_large_file_is_kept() -> None:
    large = [name for name in tracked() if (ROOT / name).stat().st_size > 4_000_000]
    assert large == []
