"""What a process asks of the system, tried in processes of their own."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, resource, sys, tempfile
from server.process import allow_many_files, keep_files_private
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
assert allow_many_files(200) == 200 == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
assert allow_many_files(150) == 200
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
assert allow_many_files(1000) == 300
keep_files_private()
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "file")
    open(path, "w").close()
    assert os.stat(path).st_mode & 0o777 == 0o640
    os.mkdir(os.path.join(folder, "folder"))
    assert os.stat(os.path.join(folder, "folder")).st_mode & 0o777 == 0o750
"""


def test_as_many_files_as_allowed_and_none_of_them_for_others() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, timeout=60)
