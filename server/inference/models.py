"""Models: which there are, where they lie, and fetching them from their publishers.

A model is a folder named after it, looked for in `CLEARCAST_MODELS_DIR` and then in the cache. Fetching needs no
account; it goes on where it was cut off, and the folder appears under its name only once it is whole.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from server.config import Settings
from server.errors import DiskFull, ModelCorrupt, ModelMissing

Progress = Callable[[int, int | None], None]
"""Called with bytes so far and in all (None when unknown). What it raises stops the download, which can be resumed."""

SUMS = "SHA256SUMS"
"""Lies beside a model that was fetched: the checksums of its files, as `sha256sum` writes them."""
CHUNK = 64 * 1024
TIMEOUT_S = 15.0
"""Longest wait for the next bytes."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model that can be fetched without an account."""

    name: str
    purpose: str
    urls: tuple[str, ...]
    """Addresses of a zip file, the first that works is taken."""
    files: tuple[str, ...]
    """Patterns within the model's folder that must each match a file."""
    licence: str
    size: int
    """About how many bytes are downloaded."""
    sha256: str | None = None
    """Of the zip file, where its publisher's is known."""
    max_size: int = 256 * 1024 * 1024
    """More than this, packed or unpacked, is not taken."""


def _deepfilter(name: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        purpose="takes the noise out",
        urls=(f"https://github.com/Rikorose/DeepFilterNet/raw/main/models/{name}.zip",),
        files=("config.ini", "checkpoints/*.ckpt*"),
        licence="MIT or Apache-2.0",
        size=8_000_000,
    )


MODELS: dict[str, ModelSpec] = {name: _deepfilter(name) for name in ("DeepFilterNet3", "DeepFilterNet2")}


def model_spec(name: str) -> ModelSpec:
    """The model of that name. Raises ModelMissing for one that Clearcast does not know."""
    if name not in MODELS:
        raise ModelMissing(f"There is no model called {name!r}; there are {', '.join(MODELS)}.")
    return MODELS[name]


def find_models(name: str, settings: Settings) -> list[Path]:
    """Every folder in which the model lies with all of its files, the first to be tried first. Reads the disk."""
    spec = model_spec(name)
    folders = [folder / name for folder in (settings.models_dir, settings.cache_dir) if folder is not None]
    return [folder for folder in folders if _complete(folder, spec)]


def find_model(name: str, settings: Settings) -> Path | None:
    """The model's folder, None where it is not installed. Reads the disk."""
    return next(iter(find_models(name, settings)), None)


def pull(
    name: str, progress: Progress | None = None, *, folder: Path, spec: ModelSpec | None = None, again: bool = False
) -> Path:
    """Fetch a model into `folder` and return its own folder there; at once if it is there already.

    `again` fetches it even so. Blocks: call it in a thread.
    Raises ModelMissing (not to be had), ModelCorrupt (not what it should be), DiskFull.
    """
    spec = spec or model_spec(name)
    target = folder / spec.name
    try:
        with _alone(folder, spec.name) as parts:
            if again or not _complete(target, spec):
                _fetch_and_unpack(spec, parts, target, progress or (lambda done, total: None))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"There is no room left in {folder} for {spec.name}.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise DiskFull(f"{folder} cannot be written to, so {spec.name} cannot be kept there.") from error
        raise ModelMissing(f"{spec.name} cannot be kept in {folder}: {error.strerror or error}.") from error
    return target


@contextmanager
def _alone(folder: Path, name: str) -> Iterator[Path]:
    """A place for unfinished downloads of this model, held by one process at a time."""
    parts = folder / ".partial"
    parts.mkdir(parents=True, exist_ok=True)
    with (parts / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield parts


def _complete(folder: Path, spec: ModelSpec) -> bool:
    """A folder that may not be read is as good as none."""
    try:
        return all(any(path.stat().st_size > 0 for path in folder.glob(pattern)) for pattern in spec.files)
    except OSError:
        return False


def _fetch_and_unpack(spec: ModelSpec, parts: Path, target: Path, progress: Progress) -> None:
    part = parts / f"{spec.name}.zip"
    resumed = part.exists()
    _fetch_from_any(spec, part, progress)
    try:
        _unpack(spec, part, target)
    except ModelCorrupt:
        part.unlink()
        if not resumed:
            raise
        _fetch_from_any(spec, part, progress)  # the two pieces may come from different versions of the file
        try:
            _unpack(spec, part, target)
        except ModelCorrupt:
            part.unlink()
            raise
    part.unlink()
    _note(part).unlink(missing_ok=True)


# ---- fetching


class _Restart(Exception):
    """What is there already cannot be continued."""


def _fetch_from_any(spec: ModelSpec, part: Path, progress: Progress) -> None:
    reasons = []
    for url in spec.urls:
        try:
            try:
                _fetch(spec, url, part, progress)
            except _Restart:
                part.unlink(missing_ok=True)
                _fetch(spec, url, part, progress)
        except urllib.error.HTTPError as error:
            reasons.append(f"{url} answered {error.code} {error.reason}")
        except urllib.error.URLError as error:
            reasons.append(f"{url}: {error.reason}")
        except (http.client.HTTPException, TimeoutError, ConnectionError, ssl.SSLError, _Restart) as error:
            reasons.append(f"{url}: {error or type(error).__name__}")
        else:
            return
    raise ModelMissing(f"{spec.name} could not be fetched: {'; '.join(reasons)}.")


def _fetch(spec: ModelSpec, url: str, part: Path, progress: Progress) -> None:
    """Append to `part` until the file is whole (RFC 9110, section 14: range requests)."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "clearcast", "Accept-Encoding": "identity"}
    version = _noted(part)
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - addresses come from the table above
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
            if total and int(total[1]) == have:
                return
            raise _Restart("what was fetched before does not belong to this file") from error
        raise
    with answer:
        if answer.status == http.HTTPStatus.PARTIAL_CONTENT:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                raise _Restart("the server sent another part than was asked for")
        else:
            have = 0
        length = answer.headers.get("Content-Length")
        total_size = have + int(length) if length and length.isdigit() else None
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        _note(part).write_text(json.dumps({"version": version}))
        _save(spec, answer, part, have, total_size, progress)


def _save(
    spec: ModelSpec, answer: http.client.HTTPResponse, part: Path, have: int, total: int | None, progress: Progress
) -> None:
    with part.open("ab" if have else "wb") as file:
        progress(have, total)
        while chunk := answer.read(CHUNK):
            have += len(chunk)
            if have > spec.max_size:
                raise ModelCorrupt(f"{spec.name} is larger than it can be; nothing was installed.")
            file.write(chunk)
            progress(have, total)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def _note(part: Path) -> Path:
    """Beside an unfinished file: which version of it was being fetched."""
    return part.with_suffix(".json")


def _noted(part: Path) -> str | None:
    """A weak ETag may not be used to continue (RFC 9110, section 13.1.5)."""
    try:
        version = json.loads(_note(part).read_text())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) and not version.startswith("W/") else None


# ---- unpacking


def _unpack(spec: ModelSpec, part: Path, target: Path) -> None:
    """Put the zip file's content in the place of `target`, all or nothing."""
    if spec.sha256 is not None and _sha256(part) != spec.sha256:
        raise ModelCorrupt(f"{spec.name} was fetched, but its checksum is wrong; nothing was installed.")
    staging = Path(tempfile.mkdtemp(prefix=f"{spec.name}-", dir=part.parent))
    try:
        with zipfile.ZipFile(part) as archive:
            _extract(spec, archive, staging)
        root = staging / spec.name if (staging / spec.name).is_dir() else staging
        if not _complete(root, spec):
            raise ModelCorrupt(f"{spec.name} was fetched, but files are missing in it; nothing was installed.")
        _write_sums(root)
        root.chmod(0o755)
        if target.exists():
            target.rename(staging.with_name(f"{staging.name}-old"))
        root.rename(target)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ModelCorrupt(f"{spec.name} was fetched, but the file is damaged; nothing was installed.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(staging.with_name(f"{staging.name}-old"), ignore_errors=True)


def _extract(spec: ModelSpec, archive: zipfile.ZipFile, folder: Path) -> None:
    room = spec.max_size
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        kind = stat.S_IFMT(member.external_attr >> 16)
        unsafe = path.is_absolute() or ".." in path.parts or "\\" in member.filename or "\0" in member.filename
        if unsafe or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise ModelCorrupt(f"{spec.name} contains a file with an unsafe name; nothing was installed.")
        room -= member.file_size
        if room < 0:
            raise ModelCorrupt(f"{spec.name} is larger than it can be; nothing was installed.")
        place = folder / path
        if member.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(member) as source, place.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
            file.flush()
            os.fsync(file.fileno())


def _write_sums(root: Path) -> None:
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != SUMS)
    (root / SUMS).write_text("".join(f"{_sha256(path)}  {path.relative_to(root).as_posix()}\n" for path in files))


def damaged(folder: Path) -> list[str] | None:
    """Files of a model that are not what they were when it was fetched; None where that is not known. Reads them."""
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    wrong = []
    for digest, _, name in (line.partition("  ") for line in lines):
        try:
            same = _sha256(folder / name) == digest
        except OSError:
            same = False
        if not same:
            wrong.append(name)
    return wrong


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
