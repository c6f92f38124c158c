"""Models: which there are, where they lie, and fetching them from their publishers.

A model is a folder named after it, looked for in `CLEARCAST_MODELS_DIR` and then in the cache. Fetching needs no
account; it goes on where it was cut off, and the folder appears under its name only once it is whole.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.config import Settings
from server.errors import DiskFull, ModelCorrupt, ModelMissing
from server.inference.download import Download, NotThere, Progress, fetch, note_of
from server.inference.known_models import MODELS, LooseFile, ModelSpec
from server.inference.unpack import install, staging_beside, unpack

SUMS = "SHA256SUMS"
"""Lies beside a model that was fetched: the checksums of its files, as `sha256sum` writes them."""


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
                tell = progress or (lambda done, total: None)
                if spec.urls:
                    _fetch_archive(spec, parts, target, tell)
                else:
                    _fetch_files(spec, parts, target, tell)
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


def _fetch_archive(spec: ModelSpec, parts: Path, target: Path, progress: Progress) -> None:
    part = parts / f"{spec.name}{spec.archive}"
    wanted = Download(spec.name, spec.urls, spec.max_size)
    resumed = part.exists()
    fetch(wanted, part, progress)
    try:
        _unpack(spec, part, target)
    except ModelCorrupt:
        part.unlink()
        if not resumed:
            raise
        fetch(wanted, part, progress)  # the two pieces may come from different versions of the file
        try:
            _unpack(spec, part, target)
        except ModelCorrupt:
            part.unlink()
            raise
    part.unlink()
    note_of(part).unlink(missing_ok=True)


def _unpack(spec: ModelSpec, part: Path, target: Path) -> None:
    """Put the archive's content in the place of `target`, all or nothing."""
    if spec.sha256 is not None and _sha256(part) != spec.sha256:
        raise ModelCorrupt(f"{spec.name} was fetched, but its checksum is wrong; nothing was installed.")
    with staging_beside(part, spec.name) as staging:
        unpack(spec.name, part, staging, spec.max_size)
        inside = staging / (spec.root or spec.name)
        _install(spec, inside if inside.is_dir() else staging, target)


def _fetch_files(spec: ModelSpec, parts: Path, target: Path, progress: Progress) -> None:
    """Files that are published one by one: those that are whole already are not fetched again."""
    folder = parts / f"{spec.name}.files"
    folder.mkdir(exist_ok=True)
    before = 0
    for file in spec.loose:
        place = folder / file.name
        if not place.exists():
            _fetch_file(spec, file, place, lambda done, _, base=before: progress(base + done, None))  # type: ignore[misc]
        before += place.stat().st_size if place.exists() else 0
        progress(before, spec.size if before < spec.size else None)
    progress(before, before)
    _install(spec, folder, target)


def _fetch_file(spec: ModelSpec, file: LooseFile, place: Path, progress: Progress) -> None:
    part = place.with_name(f"{place.name}.part")
    try:
        fetch(Download(spec.name, file.urls, spec.max_size), part, progress)
    except NotThere:
        if not file.optional:
            raise
        return
    if file.sha256 is not None and _sha256(part) != file.sha256:
        part.unlink()
        raise ModelCorrupt(f"{spec.name} was fetched, but its checksum is wrong; nothing was installed.")
    note_of(part).unlink(missing_ok=True)
    part.rename(place)


def _install(spec: ModelSpec, root: Path, target: Path) -> None:
    if not _complete(root, spec):
        raise ModelCorrupt(f"{spec.name} was fetched, but files are missing in it; nothing was installed.")
    write_sums(root)
    install(root, target)


def write_sums(root: Path) -> None:
    """Note what the files of a model are now, so that it is seen when they change."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.name != SUMS)
    (root / SUMS).write_text("".join(f"{_sha256(path)}  {path.relative_to(root).as_posix()}\n" for path in files))


def damaged(folder: Path, spec: ModelSpec | None = None) -> list[str] | None:
    """Files of a model that are not what they were when it was fetched, or as they are known to be published.

    None where neither is known. Reads them.
    """
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    published = spec.published if spec is not None else {}
    expected = {name: digest for name, digest in published.items() if (folder / name).exists()}
    expected |= {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return [name for name, digest in expected.items() if not _is(folder / name, digest)] if expected else None


def _is(path: Path, digest: str) -> bool:
    try:
        return _sha256(path) == digest
    except OSError:
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
