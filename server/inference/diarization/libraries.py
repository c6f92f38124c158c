"""diart and pyannote, imported when the models are loaded and not when the first window waits for its answer."""

from __future__ import annotations

import importlib
import logging
import sys
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
    _forget_old_names()


def _forget_old_names() -> None:
    """Take out of `sys.modules` what speechbrain leaves there under its modules' old names.

    They import their target, k2 for one, as soon as an attribute is asked for: whatever looks at all modules of the
    process would fail where that is not installed. Nothing here asks for a module by its old name.
    """
    from speechbrain.utils.importutils import LazyModule

    unused = [name for name, module in sys.modules.items() if isinstance(module, LazyModule) and not module.lazy_module]
    for name in unused:
        del sys.modules[name]
