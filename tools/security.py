"""Looks for what an attacker would: careless code (bandit), secrets that were committed (detect-secrets), and known
weaknesses of what is installed (pip-audit, where its database answers).

Usage: python -m tools.security
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE_S = 50.0
DATABASE = ("api.osv.dev", 443)

LEFT_OUT = {".flac", ".ogg", ".opus", ".wav", ".png", ".ico", ".svg", ".npz", ".bin", ".onnx", ".woff2", ".jpg"}
DATA = ("server/client/data/", "package-lock.json")
"""Models and lists of checksums."""
NOT_SECRET = {
    ("server/store/ids.py", "Base64 High Entropy String"): "the letters that identifiers are made of",
    ("server/inference/known_models.py", "Hex High Entropy String"): "checksums of models",
    ("tests/doctor/test_bundle.py", "Private Key"): "made up, to see that archives mask it",
    ("tests/test_masking.py", "Private Key"): "made up, to see that logs mask it",
    ("tests/test_masking.py", "Basic Auth Credentials"): "the same",
}
"""What looks like a secret and is none: file, kind, and why."""
ANYTHING_GOES_IN_TESTS = {"Base64 High Entropy String", "Hex High Entropy String", "Basic Auth Credentials"}

OLD_ON_PURPOSE = {
    **dict.fromkeys(("torch", "torchaudio", "torchvision"), "the newest that the diarization libraries load with"),
    **dict.fromkeys(("diart", "pyannote-audio", "pyannote-core", "speechbrain"), "the newest that work together"),
    **dict.fromkeys(("lightning", "pytorch-lightning"), "pyannote.audio 3 needs this line; checkpoints are not loaded"),
    "numpy": "the diarization models and deepfilternet need the 1.x line",
    "matplotlib": "pyannote.core 5 imports what 3.9 took away",
    "deepfilternet": "the last release; tests compare with it, the server does not import it",
}
"""Packages whose known weaknesses are told and stop nobody, and why they are not newer."""


def main() -> int:
    """Everything at once; 1 where something was found."""
    bandit = _start("bandit", "-q", "-c", "pyproject.toml", "-r", "server", "tools", "-f", "custom", "--msg-template")
    audit = _start_audit()
    found = [f"{place}:{line}: {kind}: if it is none, tools/security.py says why" for place, line, kind in committed()]
    found += _finish(bandit)
    found += _audited(audit)
    for line in found:
        print(line)
    print(f"security: {len(found)} found" if found else "security: nothing found")
    return 1 if found else 0


# ---- secrets


def committed() -> list[tuple[str, int, str]]:
    """What looks like a secret in files that belong to the repository: file, line, kind."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = [name for name in listed.split("\0") if name and Path(name).suffix not in LEFT_OUT]
    names = [name for name in names if not name.startswith(DATA) and (ROOT / name).is_file()]
    workers = min(4, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(secrets_in, [names[start::workers] for start in range(workers)])
        return sorted(item for part in parts for item in part)


def secrets_in(names: Iterable[str], root: Path = ROOT) -> list[tuple[str, int, str]]:
    """The same of some files."""
    return list(_scan(names, root))


def _scan(names: Iterable[str], root: Path) -> Iterator[tuple[str, int, str]]:
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    with default_settings() as settings:
        settings.disable_plugins("KeywordDetector")  # ruff looks for passwords in code (S105, S106, S107)
        for name in names:
            for secret in scan_file(str(root / name)):
                harmless = name.startswith("tests/") and secret.type in ANYTHING_GOES_IN_TESTS
                if not harmless and (name, secret.type) not in NOT_SECRET:
                    yield name, secret.line_number, secret.type


# ---- installed packages


def weaknesses(report: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Of pip-audit's report: what has to be seen to, and what is known and stays."""
    wrong, known = [], []
    for package in report.get("dependencies", []):
        for weakness in package.get("vulns", []):
            better = ", ".join(weakness.get("fix_versions", [])) or "no version"
            line = f"{package['name']} {package['version']}: {weakness['id']}, better in {better}"
            why = OLD_ON_PURPOSE.get(package["name"].lower().replace(".", "-").replace("_", "-"))
            if why is None:
                wrong.append(line)
            else:
                known.append(f"{line} ({why})")
    return wrong, known


def _start_audit() -> subprocess.Popen[str] | None:
    try:
        socket.create_connection(DATABASE, timeout=3).close()
    except OSError:
        return None
    how = ("--no-deps", "--disable-pip", "--vulnerability-service", "osv", "--progress-spinner", "off", "--format")
    return _start("pip_audit", "--requirement", "constraints.txt", *how, "json")


def _audited(audit: subprocess.Popen[str] | None) -> list[str]:
    if audit is None:
        print(f"security: packages were not audited: {DATABASE[0]} does not answer from here")
        return []
    try:
        output, errors = audit.communicate(timeout=PATIENCE_S)
        wrong, known = weaknesses(json.loads(output))
    except subprocess.TimeoutExpired:
        audit.kill()
        audit.communicate()
        print(f"security: packages were not audited: {DATABASE[0]} took longer than {PATIENCE_S:.0f} s")
        return []
    except ValueError:
        print(f"security: packages were not audited: {errors.strip().splitlines()[-1:] or 'no report'}")
        return []
    for line in known:
        print(f"security: known: {line}")
    return wrong


# ---- programs


def _start(module: str, *arguments: str) -> subprocess.Popen[str]:
    if module == "bandit":
        arguments = (*arguments, "{relpath}:{line}: {test_id} {msg}")
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _finish(program: subprocess.Popen[str]) -> list[str]:
    output, errors = program.communicate()
    lines = [line for line in output.splitlines() if line.strip()]
    return lines or ([f"bandit failed: {errors.strip()[-500:]}"] if program.returncode not in (0, 1) else [])


if __name__ == "__main__":
    sys.exit(main())
