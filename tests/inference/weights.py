"""Models with random weights, written the way the published ones are."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest
import torch

COMMON = """
[train]
model = {architecture}
[df]
sr = 48000
fft_size = 960
hop_size = 480
nb_erb = 32
nb_df = 96
norm_tau = 1
lsnr_max = 35
lsnr_min = -15
min_nb_erb_freqs = 2
df_order = 5
df_lookahead = 2
[deepfilternet]
conv_lookahead = 2
conv_ch = 64
conv_kernel = 1,3
conv_kernel_inp = 3,3
emb_hidden_dim = 256
emb_num_layers = 3
df_hidden_dim = 256
df_num_layers = 2
dfop_method = df
df_n_iter = 1
df_pathway_kernel_size_t = 5
mask_pf = False
group_shuffle = False
"""

SPECIAL = {
    "DeepFilterNet3": """
enc_linear_groups = 32
linear_groups = 16
df_gru_skip = groupedlinear
enc_concat = False
emb_gru_skip = none
convt_kernel = 1,3
lsnr_dropout = False
""",
    "DeepFilterNet2": """
gru_groups = 8
linear_groups = 8
df_gru_skip = none
df_output_layer = groupedlinear
gru_type = squeeze
enc_concat = True
""",
}


def write_random_model(name: str, folder: Path, seed: int = 0) -> Path:
    """`folder`/config.ini and checkpoints/, built by the published package. Skips without it."""
    pytest.importorskip("df", reason="deepfilternet is not installed: `make test` installs it")
    from df.checkpoint import load_model
    from df.config import config
    from df.model import ModelParams
    from libdf import DF

    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.ini").write_text(COMMON.format(architecture=name.lower()) + SPECIAL[name])
    torch.manual_seed(seed)
    with mock.patch.dict(os.environ, clear=True):
        config.load(str(folder / "config.ini"), config_must_exist=True, allow_defaults=True, allow_reload=True)
        params = ModelParams()
        transform = DF(params.sr, params.fft_size, params.hop_size, params.nb_erb, params.min_nb_freqs)
        model, _ = load_model(None, transform)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            # Statistics of a trained network are not those of a fresh one.
            module.running_mean.normal_(0.0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0.0, 0.1)
    torch.save(model.state_dict(), folder / "checkpoints" / "model_7.ckpt.best")
    return folder
