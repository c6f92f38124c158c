"""`clearcast worker`, wired: what the jobs need of the disk and of the caption worker."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from server.config import Settings
from server.inference.caption_lane import Ear
from server.inference.captioning.file_lane import open_file_lane
from server.inference.captioning.service import SOCKET
from server.inference.diarization.thresholds import thresholds_of
from server.inference.file_denoise_lane import open_file_denoiser
from server.inference.file_denoise_service import SOCKET as DENOISE_SOCKET
from server.jobs import summary
from server.jobs.diagnose import Diagnose
from server.jobs.final_pass import FinalPass
from server.jobs.finish import Finish
from server.jobs.runner import Kind, Patience
from server.jobs.upload import ProcessUpload
from server.jobs.worker import work as do_jobs
from server.log import configure_logging
from server.masking import secret_values
from server.process import keep_files_private
from server.recordings.files import RecordingFolders
from server.speech.speaker_mapping import map_speakers
from server.speech.voices import VoiceLimits
from server.store.folder import prepare_folders
from server.store.store import Store
from server.uploads.folders import UploadFolders
from server.uploads.making import Maker
from server.uploads.options import DIAGNOSE, PROCESS


def work(settings: Settings, *, supervised: bool = False) -> int:
    """Do jobs until a signal comes; returns the exit status. Raises ClearcastError when that cannot begin."""
    configure_logging(settings.log_level, settings.log_format, secret_values(settings))
    keep_files_private()
    prepare_folders(settings)
    return do_jobs(settings, partial(_kinds, settings), supervised=supervised)


def _kinds(settings: Settings, store: Store) -> Mapping[str, Kind]:
    ears = {Ear.WORDS: str(settings.captions_ear), Ear.SPEAKERS: str(settings.diarization_ear)}
    files = RecordingFolders(settings.recordings_dir)
    hear = FinalPass(
        store,
        files,
        partial(open_file_lane, settings.data_dir / SOCKET),
        map_speakers,
        ears,
        _voice_limits,
    )
    finish = Finish(store, files, hear, Patience(settings.jobs_timeout_s, settings.jobs_timeout_factor))
    model = (settings.summary_url, settings.summary_model, settings.summary_key, settings.summary_characters)
    written = {summary.KIND: summary.SummaryJob(store, *model).kind()}
    return {**finish.kinds(), **written, **_upload_kinds(settings, store)}


def _upload_kinds(settings: Settings, store: Store) -> Mapping[str, Kind]:
    folders, longest_s = UploadFolders(settings.uploads_dir), settings.uploads_max_hours * 3600
    patience = Patience(settings.jobs_timeout_s, settings.jobs_timeout_factor)
    maker = Maker(partial(open_file_denoiser, settings.data_dir / DENOISE_SOCKET), longest_s, settings.opus_bitrate)
    recordings, denoise = RecordingFolders(settings.recordings_dir), settings.denoise != "off"
    process = ProcessUpload(store, folders, recordings, maker, denoise, patience)
    look = Diagnose(store, folders, partial(open_file_lane, settings.data_dir / SOCKET), longest_s, patience)
    return {PROCESS: process.kind(), DIAGNOSE: look.kind()}


def _voice_limits(model: str) -> VoiceLimits:
    thresholds = thresholds_of(model)
    return VoiceLimits(thresholds.voice, thresholds.margin)
