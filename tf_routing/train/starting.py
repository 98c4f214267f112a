"""Starts TensorFlow without the lines that it writes whatever its level of logging is."""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator

from tf_routing.train import start_lines

_LEVEL, _ONEDNN = "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"


@contextlib.contextmanager
def quiet_start(onednn: str | None = None) -> Iterator[None]:
    """A context to import TensorFlow in: of what it writes to standard error, errors and warnings of weight remain.

    TensorFlow reads `TF_CPP_MIN_LOG_LEVEL` only once it is imported, and what it says while it is being imported comes
    whatever the level. Here the level holds from the start. It is 2 unless the user set it; 0 shows everything.

    Args:
        onednn: Value of `TF_ENABLE_ONEDNN_OPTS`, unless the user set it.
    """
    level = os.environ.setdefault(_LEVEL, "2")
    if onednn is not None:
        # Must be set before TensorFlow is imported. Training is up to twice as fast with it, batch 1 slower.
        os.environ.setdefault(_ONEDNN, onednn)
    if level == "0" or "tensorflow" in sys.modules or importlib.util.find_spec("tensorflow") is None:
        yield
        return
    with _filtered(level):
        yield
        _look_for_devices()


def _look_for_devices() -> None:
    """Lets TensorFlow say now what it finds missing; nothing is taken, so that devices can still be divided."""
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None:
        tensorflow.config.list_physical_devices()


@contextlib.contextmanager
def _filtered(level: str) -> Iterator[None]:
    """Passes standard error, of this process and the libraries in it, through another process line by line.

    Another process, since what a library says last before it ends this one must come through.
    """
    sys.stderr.flush()
    before = os.dup(2)
    # In a group of its own, so that the terminal's Ctrl-C leaves it alone.
    reader = subprocess.Popen(
        [sys.executable, "-I", "-S", start_lines.__file__, level], stdin=subprocess.PIPE, process_group=0
    )
    assert reader.stdin is not None
    os.dup2(reader.stdin.fileno(), 2)
    reader.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)
        reader.wait()
