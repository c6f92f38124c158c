"""The tests."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Before anything imports numpy or torch: tests share few processors, and idle threads that spin take them."""
