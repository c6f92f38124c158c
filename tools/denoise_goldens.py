"""Write the references of `server.bench.golden` with the published implementation (package `deepfilternet`)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from server.bench.golden import FOLDER, clip
from server.inference.deepfilter.madeup import parameter
from server.inference.deepfilter.reference import OfflineReference
from tests.inference.weights import write_random_model


def main() -> None:
    """Replace the files."""
    for model in ("DeepFilterNet3", "DeepFilterNet2"):
        with tempfile.TemporaryDirectory() as scratch:
            folder = write_random_model(model, Path(scratch) / model)
            checkpoint = folder / "checkpoints" / "model_7.ckpt.best"
            state = torch.load(checkpoint, weights_only=True)
            for name, value in state.items():
                if value.is_floating_point() and "erb_" not in name.rsplit(".", 1)[-1]:
                    state[name] = torch.from_numpy(parameter(name, tuple(value.shape)))
            torch.save(state, checkpoint)
            np.save(FOLDER / f"{model}.npy", OfflineReference(folder)(clip()).astype(np.float32))


if __name__ == "__main__":
    main()
