"""`make check` notices secrets that were committed and weaknesses that have an answer."""

from __future__ import annotations

from pathlib import Path

from tools.security import NOT_SECRET, ROOT, secrets_in, weaknesses


def test_secrets_are_found_where_nobody_looks_for_them(tmp_path: Path) -> None:
    planted = {
        "deploy.py": 'access = "' + "AKIA" + 'IOSFODNN7EXAMPLF"\n',
        "notes.md": "-----BEGIN RSA " + "PRIVATE KEY-----\n",
        "push.js": 'const token = "gh' + "p_" + "a1B2c3D4e5" * 3 + 'f6G7h8";\n',
        "fine.py": 'password = input("Password: ")\n',
    }
    for name, text in planted.items():
        (tmp_path / name).write_text(text)
    assert sorted({name for name, _, _ in secrets_in(planted, tmp_path)}) == ["deploy.py", "notes.md", "push.js"]


def test_exceptions_name_files_that_are_there() -> None:
    assert [name for name, _ in NOT_SECRET if not (ROOT / name).is_file()] == []


def test_known_weaknesses_stop_unless_their_package_is_old_on_purpose() -> None:
    def package(name: str, *ids: str) -> dict[str, object]:
        return {"name": name, "version": "1.0", "vulns": [{"id": id_, "fix_versions": ["1.1"]} for id_ in ids]}

    report = {"dependencies": [package("aiohttp", "A-1", "A-2"), package("PyAnnote.Audio", "B-1"), package("av")]}
    wrong, known = weaknesses(report)
    assert wrong == ["aiohttp 1.0: A-1, better in 1.1", "aiohttp 1.0: A-2, better in 1.1"]
    assert len(known) == 1 and known[0].startswith("PyAnnote.Audio 1.0: B-1, better in 1.1 (")
    assert weaknesses({"dependencies": [package("av")]}) == ([], [])
