"""Finding models on disk and fetching them from a publisher, here one on this machine."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.errors import DiskFull, ModelCorrupt, ModelMissing
from server.inference.known_models import MODELS, ModelSpec
from server.inference.models import damaged, find_model, find_models, model_spec, pull
from tests.disks import mounted
from tests.inference.helpers import install, offline
from tests.inference.publisher import Publisher as Archives

NAME = "DeepFilterNet3"


def packed(name: str, **extra: str) -> bytes:
    """A zip file as publishers make it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/config.ini", "fine")
        archive.writestr(f"{name}/checkpoints/model_1.ckpt.best", os.urandom(300_000))
        for path, content in extra.items():
            archive.writestr(path, content)
    return out.getvalue()


class Publisher(Archives):
    """With the registry's own model."""

    def serve(self, name: str, content: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the registry's model come from here; None is a file that is not there."""
        if content is not None:
            self.files[f"/{name}.zip"] = content
        monkeypatch.setitem(MODELS, name, self.spec(name))

    def spec(self, name: str = NAME) -> ModelSpec:
        return replace(model_spec(name), urls=(self.url(f"/{name}.zip"),))


class Enough(Exception):
    """Somebody wants no more."""


def stop_after(size: int) -> Callable[[int, int | None], None]:
    """Progress that ends a download once it has so many bytes."""

    def stop(done: int, total: int | None) -> None:
        if done > size:
            raise Enough

    return stop


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Models that this machine has in its cache do not count."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    publisher = Publisher()
    yield publisher
    publisher.close()


def test_a_model_is_fetched_unpacked_and_found(publisher: Publisher, tmp_path: Path) -> None:
    content = publisher.files[f"/{NAME}.zip"] = packed(NAME)
    seen: list[tuple[int, int | None]] = []
    folder = pull(NAME, lambda done, total: seen.append((done, total)), folder=tmp_path, spec=publisher.spec())
    assert folder == tmp_path / NAME
    assert find_model(NAME, offline(tmp_path)) == folder
    assert (folder / "config.ini").read_text() == "fine"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert seen[0] == (0, len(content))
    assert seen[-1] == (len(content), len(content))
    assert [path.name for path in (tmp_path / ".partial").iterdir()] == [f"{NAME}.lock"]


def test_what_is_there_is_not_fetched_again_unless_asked(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    install(tmp_path)
    pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert publisher.ranges == []
    pull(NAME, folder=tmp_path, spec=publisher.spec(), again=True)
    assert len(publisher.ranges) == 1
    assert (tmp_path / NAME / "checkpoints" / "model_1.ckpt.best").exists()


def test_a_download_goes_on_where_it_was_cut(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    publisher.cut = 100_000
    with pytest.raises(ModelMissing):
        pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert find_model(NAME, offline(tmp_path)) is None
    seen: list[int] = []
    pull(NAME, lambda done, total: seen.append(done), folder=tmp_path, spec=publisher.spec())
    assert publisher.ranges == [None, "bytes=100000-"]
    assert seen[0] == 100_000
    assert find_model(NAME, offline(tmp_path)) is not None


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(
    publisher: Publisher, tmp_path: Path, knows_ranges: bool
) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    publisher.cut = 100_000
    with pytest.raises(ModelMissing):
        pull(NAME, folder=tmp_path, spec=publisher.spec())
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    publisher.etag, publisher.knows_ranges = '"two"', knows_ranges
    pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert find_model(NAME, offline(tmp_path)) is not None


def test_two_halves_of_different_files_are_noticed_and_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    """A publisher that does not say which version it sends."""
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    publisher.cut = 100_000
    publisher.etag = 'W/"same"'
    with pytest.raises(ModelMissing):
        pull(NAME, folder=tmp_path, spec=publisher.spec())
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert publisher.ranges == [None, "bytes=100000-", None]


def test_a_whole_file_left_behind_is_used(publisher: Publisher, tmp_path: Path) -> None:
    content = publisher.files[f"/{NAME}.zip"] = packed(NAME)
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / f"{NAME}.zip").write_bytes(content)
    pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert find_model(NAME, offline(tmp_path)) is not None


def test_more_than_the_file_left_behind_is_thrown_away(publisher: Publisher, tmp_path: Path) -> None:
    content = publisher.files[f"/{NAME}.zip"] = packed(NAME)
    (tmp_path / ".partial").mkdir()
    (tmp_path / ".partial" / f"{NAME}.zip").write_bytes(b"x" * (len(content) + 5))
    pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert find_model(NAME, offline(tmp_path)) is not None


def test_a_wrong_checksum_installs_nothing(publisher: Publisher, tmp_path: Path) -> None:
    content = publisher.files[f"/{NAME}.zip"] = packed(NAME)
    with pytest.raises(ModelCorrupt, match="checksum"):
        pull(NAME, folder=tmp_path, spec=replace(publisher.spec(), sha256="0" * 64))
    assert not (tmp_path / NAME).exists()
    right = hashlib.sha256(content).hexdigest()
    assert pull(NAME, folder=tmp_path, spec=replace(publisher.spec(), sha256=right)).is_dir()


def test_a_refusal_names_the_address(publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"DeepFilterNet3\.zip answered 404"):
        pull(NAME, folder=tmp_path, spec=publisher.spec())


def test_a_second_address_helps_out(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME)
    spec = replace(publisher.spec(), urls=("http://127.0.0.1:9/nobody", publisher.url(f"/{NAME}.zip")))
    assert pull(NAME, folder=tmp_path, spec=spec).is_dir()


def test_nobody_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="could not be fetched"):
        pull(NAME, folder=tmp_path, spec=replace(model_spec(NAME), urls=("http://127.0.0.1:9/nobody",)))


@pytest.mark.parametrize("path", ["../outside.txt", "/tmp-outside.txt", "DeepFilterNet3/../../outside.txt", "a\\..\\b"])
def test_names_that_lead_out_of_the_folder_are_refused(publisher: Publisher, tmp_path: Path, path: str) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME, **{path: "no"})
    with pytest.raises(ModelCorrupt, match="unsafe"):
        pull(NAME, folder=tmp_path / "models", spec=publisher.spec())
    assert [path.name for path in tmp_path.iterdir()] == ["models"]


def test_links_in_the_file_are_refused(publisher: Publisher, tmp_path: Path) -> None:
    out = io.BytesIO(packed(NAME))
    with zipfile.ZipFile(out, "a") as archive:
        link = zipfile.ZipInfo(f"{NAME}/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    publisher.files[f"/{NAME}.zip"] = out.getvalue()
    with pytest.raises(ModelCorrupt, match="unsafe"):
        pull(NAME, folder=tmp_path, spec=publisher.spec())


@pytest.mark.parametrize("content", [b"<html>not a zip file</html>", packed(NAME)[:-2000], packed("Another")])
def test_what_is_not_the_model_is_refused(publisher: Publisher, tmp_path: Path, content: bytes) -> None:
    publisher.files[f"/{NAME}.zip"] = content
    with pytest.raises(ModelCorrupt):
        pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert find_model(NAME, offline(tmp_path)) is None


@pytest.mark.parametrize("size", [1000, 301_000])
def test_more_than_a_model_can_be_is_refused(publisher: Publisher, tmp_path: Path, size: int) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME, more="x" * 100_000)
    with pytest.raises(ModelCorrupt, match="larger"):
        pull(NAME, folder=tmp_path, spec=replace(publisher.spec(), max_size=size))


def test_a_caller_may_stop_and_go_on_later(publisher: Publisher, tmp_path: Path) -> None:
    publisher.files[f"/{NAME}.zip"] = packed(NAME)

    with pytest.raises(Enough):
        pull(NAME, stop_after(100_000), folder=tmp_path, spec=publisher.spec())
    pull(NAME, folder=tmp_path, spec=publisher.spec())
    assert publisher.ranges[1] is not None


def test_a_full_disk_is_said_plainly(publisher: Publisher, tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=128k") as small:
        publisher.files[f"/{NAME}.zip"] = packed(NAME)
        with pytest.raises(DiskFull, match="no room left"):
            pull(NAME, folder=small, spec=publisher.spec())


def test_a_folder_that_cannot_be_made_is_said_plainly(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelMissing, match="cannot be kept"):
        pull(NAME, folder=tmp_path / "file", spec=publisher.spec())


def test_a_folder_with_files_missing_is_not_a_model(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / NAME / "checkpoints" / "model_1.ckpt").write_text("")
    assert find_model(NAME, offline(tmp_path)) is None


def test_the_configured_folder_comes_before_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = offline(install(tmp_path / "mine"))
    assert find_models(NAME, settings) == [tmp_path / "mine" / NAME]
    install(settings.cache_dir)
    assert find_models(NAME, settings) == [tmp_path / "mine" / NAME, settings.cache_dir / NAME]


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(ModelMissing, match="DeepFilterNet3"):
        model_spec("Whisper")


def test_no_model_needs_an_account() -> None:
    for spec in MODELS.values():
        urls = [*spec.urls, *(url for file in spec.loose for url in file.urls)]
        assert urls and all(url.startswith("https://") and "@" not in url for url in urls)


# ---- archives of other kinds, and files that are published one by one


def tarred(**files: bytes) -> bytes:
    """A tar.bz2 as publishers make it; the keys are paths with two underscores for a slash."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:bz2") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path.replace("__", "/"))
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


SEGMENTATION = MODELS["segmentation-3.0"]
ROOT_IN_TAR = "sherpa-onnx-pyannote-segmentation-3-0"


def test_an_archive_of_another_kind_is_unpacked_too(publisher: Publisher, tmp_path: Path) -> None:
    content = tarred(**{f"{ROOT_IN_TAR}__model.onnx": b"weights", f"{ROOT_IN_TAR}__README.md": b"text"})
    publisher.files["/x.tar.bz2"] = content
    spec = replace(SEGMENTATION, urls=(publisher.url("/x.tar.bz2"),), sha256=hashlib.sha256(content).hexdigest())
    folder = pull(spec.name, folder=tmp_path, spec=spec)
    assert folder == tmp_path / "segmentation-3.0"
    assert (folder / "model.onnx").read_bytes() == b"weights"
    assert damaged(folder) == []
    assert damaged(folder, spec) == [], "what was fetched counts before what is known"


@pytest.mark.parametrize("kind", ["link", "outside", "cut", "no archive"])
def test_a_tar_file_is_not_trusted(publisher: Publisher, tmp_path: Path, kind: str) -> None:
    content = tarred(**{f"{ROOT_IN_TAR}__model.onnx": os.urandom(50_000)})
    if kind == "outside":
        content = tarred(**{"..__outside": b"no"})
    elif kind == "cut":
        content = content[:-20_000]
    elif kind == "no archive":
        content = b"<html>"
    elif kind == "link":
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:bz2") as archive:
            member = tarfile.TarInfo("link")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
        content = out.getvalue()
    publisher.files["/x.tar.bz2"] = content
    with pytest.raises(ModelCorrupt):
        pull("x", folder=tmp_path, spec=replace(SEGMENTATION, urls=(publisher.url("/x.tar.bz2"),), sha256=None))
    assert not (tmp_path / "segmentation-3.0").exists()


def whisper(publisher: Publisher, name: str = "base") -> ModelSpec:
    """The registry's model, from here."""
    spec = MODELS[name]
    return replace(
        spec, loose=tuple(replace(file, urls=(publisher.url(f"/{name}/{file.name}"),)) for file in spec.loose)
    )


def publish_whisper(publisher: Publisher, name: str = "base") -> None:
    for file in ("config.json", "tokenizer.json", "vocabulary.txt"):
        publisher.files[f"/{name}/{file}"] = b"{}"
    publisher.files[f"/{name}/model.bin"] = os.urandom(300_000)


def test_a_model_of_several_files_is_fetched_file_by_file(publisher: Publisher, tmp_path: Path) -> None:
    publish_whisper(publisher)
    seen: list[int] = []
    folder = pull("base", lambda done, total: seen.append(done), folder=tmp_path, spec=whisper(publisher))
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "config.json",
        "model.bin",
        "tokenizer.json",
        "vocabulary.txt",
    ]
    assert seen == sorted(seen) and seen[-1] == 300_006
    assert damaged(folder) == []
    assert find_model("base", offline(tmp_path)) == folder


def test_a_model_of_several_files_goes_on_where_it_was_cut(publisher: Publisher, tmp_path: Path) -> None:
    publish_whisper(publisher)
    with pytest.raises(Enough):
        pull("base", stop_after(100_000), folder=tmp_path, spec=whisper(publisher))
    assert find_model("base", offline(tmp_path)) is None
    asked = len(publisher.ranges)
    pull("base", folder=tmp_path, spec=whisper(publisher))
    again = publisher.ranges[asked:]
    assert len(again) == 3, "the two vocabularies that may be missing, and the rest of the weights"
    assert again[-1] is not None and again[-1].startswith("bytes=1")
    assert (tmp_path / "base" / "model.bin").read_bytes() == publisher.files["/base/model.bin"]


def test_a_file_that_must_be_there_is_missed(publisher: Publisher, tmp_path: Path) -> None:
    publish_whisper(publisher)
    del publisher.files["/base/tokenizer.json"]
    with pytest.raises(ModelMissing, match=r"tokenizer\.json answered 404"):
        pull("base", folder=tmp_path, spec=whisper(publisher))
    publisher.files["/base/tokenizer.json"] = b"{}"
    del publisher.files["/base/vocabulary.txt"]
    with pytest.raises(ModelCorrupt, match="files are missing"):
        pull("base", folder=tmp_path, spec=whisper(publisher))


def test_a_single_file_has_to_have_its_checksum(publisher: Publisher, tmp_path: Path) -> None:
    spec = MODELS["campplus"]
    file = replace(spec.loose[0], urls=(publisher.url("/voice.onnx"),))
    publisher.files["/voice.onnx"] = b"another model"
    with pytest.raises(ModelCorrupt, match="checksum"):
        pull("campplus", folder=tmp_path, spec=replace(spec, loose=(file,)))
    right = replace(file, sha256=hashlib.sha256(b"another model").hexdigest())
    assert (pull("campplus", folder=tmp_path, spec=replace(spec, loose=(right,))) / "campplus.onnx").is_file()


def test_a_published_checksum_is_known_without_a_note_beside_the_model(tmp_path: Path) -> None:
    (tmp_path / "campplus").mkdir()
    (tmp_path / "campplus" / "campplus.onnx").write_bytes(b"another")
    assert damaged(tmp_path / "campplus") is None
    assert damaged(tmp_path / "campplus", MODELS["campplus"]) == ["campplus.onnx"]
