"""The model's `config.ini`, as published beside the weights."""

from __future__ import annotations

import math
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from pathlib import Path

from server.errors import ModelCorrupt, ModelMissing

_ARCHITECTURES = ("deepfilternet2", "deepfilternet3")

_ONLY: dict[str, str] = {
    "sr": "48000",
    "fft_size": "960",
    "hop_size": "480",
    "conv_kernel": "1,3",
    "conv_kernel_inp": "3,3",
    "df_n_iter": "1",
    "mask_pf": "false",
    "dfop_method": "df",
    "lsnr_dropout": "false",
    "emb_gru_skip": "none",
    "emb_gru_skip_enc": "none",
    "gru_type": "squeeze",
    "df_output_layer": "groupedlinear",
}
"""Options whose other values this runtime does not implement; where the file is silent these are meant."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """What the runtime has to know beyond the weights' shapes."""

    architecture: str
    """"deepfilternet2" or "deepfilternet3"."""
    bands: int
    """ERB bands of the mask."""
    filter_bins: int
    """Lowest bins of the spectrum, replaced by the deep filter's output."""
    order: int
    """Frames that the deep filter combines."""
    lookahead: int
    """Frames after the one being cleaned that are heard first."""
    minimum_band_bins: int
    decay: float
    """Per frame, of the running norms."""
    fft_size: int = 960
    hop: int = 480

    @property
    def bins(self) -> int:
        """Bins of a spectrum, 0 Hz and the Nyquist frequency included."""
        return self.fft_size // 2 + 1

    @property
    def filters_masked(self) -> bool:
        """Whether the deep filter works on the masked spectrum (2) instead of the noisy one (3)."""
        return self.architecture == "deepfilternet2"

    @property
    def delay_frames(self) -> int:
        """Frames between a spectrum going in and its clean version coming out."""
        return self.lookahead * (2 if self.filters_masked else 1)


def read_config(path: Path) -> ModelConfig:
    """Read a `config.ini`. Raises ModelMissing, and ModelCorrupt for what cannot be read or run."""
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelMissing(f"The denoiser's {path.name} is missing from {path.parent}.") from None
    except (OSError, UnicodeDecodeError, ConfigParserError) as error:
        raise ModelCorrupt(f"The denoiser's {path} cannot be read: {type(error).__name__}.") from error
    # Older files keep the deep filter's options beside the network's.
    options = {**_section(parser, "deepfilternet"), **_section(parser, "df")}
    architecture = _section(parser, "train").get("model", "")
    if architecture not in _ARCHITECTURES:
        raise ModelCorrupt(f"{path} describes {architecture or 'no network'}; only DeepFilterNet 2 and 3 can be run.")
    for option, value in _ONLY.items():
        found = options.get(option, value).lower().replace(" ", "")
        if found != value:
            raise ModelCorrupt(f"{path}: {option} = {found} cannot be run; only {value} can.")
    config = ModelConfig(
        architecture=architecture,
        bands=_integer(options, "nb_erb", path),
        filter_bins=_integer(options, "nb_df", path),
        order=_integer(options, "df_order", path),
        lookahead=_integer(options, "df_lookahead", path),
        minimum_band_bins=_integer(options, "min_nb_erb_freqs", path),
        decay=_decay(_integer(options, "norm_tau", path)),
    )
    lookahead = _integer(options, "conv_lookahead", path)
    if (config.lookahead, lookahead, config.order, config.bands % 8) != (2, 2, 5, 0) or config.filter_bins % 2:
        raise ModelCorrupt(f"{path}: only a lookahead of 2, a filter of order 5 and a multiple of 8 bands can be run.")
    return config


def _section(parser: ConfigParser, name: str) -> dict[str, str]:
    return dict(parser.items(name)) if parser.has_section(name) else {}


def _integer(options: dict[str, str], name: str, path: Path) -> int:
    try:
        value = int(options[name])
    except KeyError:
        raise ModelCorrupt(f"{path}: {name} is missing.") from None
    except ValueError:
        raise ModelCorrupt(f"{path}: {name} = {options[name]} is not a whole number.") from None
    if not 0 < value < 10_000:
        raise ModelCorrupt(f"{path}: {name} = {value} makes no sense.")
    return value


def _decay(seconds: int, frame: float = 0.01) -> float:
    """The norms' decay per frame for a window of `seconds`, rounded as in training."""
    exact = math.exp(-frame / seconds)
    digits = 3
    while round(exact, digits) >= 1.0:
        digits += 1
    return round(exact, digits)
