"""diart and pyannote, imported when the models are loaded and not when the first window waits for its answer."""

from __future__ import annotations

import importlib
import logging
import warnings


def load_libraries() -> None:
    """Import what a live stream needs of them: seconds, once a process.

    They warn about what they import from each other, and tell of their work-arounds: nothing that whoever runs a
    server could change.
    """
    logging.getLogger("speechbrain").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("diart.blocks.aggregation", "diart.blocks.clustering", "pyannote.core"):
            importlib.import_module(name)
