"""Runs pieces of code in processes of their own, forked from one that has imported Keras and the library already.

Importing TensorFlow takes four to six seconds, and a fork of a process that has done so takes milliseconds. A snippet
is as alone as in a fresh interpreter: it draws, patches and configures devices without a trace in any other. What is
decided while TensorFlow or Keras is imported (environment variables, the order of imports) it cannot test:
`tests.conformance.subjects.start_python` starts those from nothing.
"""

import atexit
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]

# One thread only: a fork copies the thread that asks for it, and locks that others hold stay locked for ever.
_FORKING = """
import json
import os
import sys
import traceback

requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
import keras
import tests.conformance.subjects
import tf_routing.train.fit

assert ("tensorflow" in sys.modules) == (keras.backend.backend() == "tensorflow")


def run(code, arguments, output, errors):
    for number, path in enumerate((os.devnull, output, errors)):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.argv = ["-c", *arguments]
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as stopped:
        return stopped.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


threads = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
assert threads == 1, f"{threads} threads, so that a fork is not safe"
for line in requests:
    child = os.fork()
    if child == 0:
        os._exit(run(**json.loads(line)))
    print(child, file=answers, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=answers, flush=True)
"""


class Snippet:
    """Code that has begun to run in a process of its own, with what tests use of `subprocess.Popen`.

    One at a time for each backend: the next one begins when this one has ended.
    """

    def __init__(self, code: str, *arguments: Any, backend: str = "tensorflow") -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._files = [Path(self._folder.name, name) for name in ("output", "errors")]
        for file in self._files:
            file.touch()
        request = {"code": code, "arguments": [*map(str, arguments)]}
        request |= {file.name: str(file) for file in self._files}
        self._server = _start(backend)
        self._server.stdin.write(json.dumps(request).encode() + b"\n")
        self.pid = int(self._server.stdout.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Returns the status of a process that has ended, and None while it runs."""
        if self.returncode is None and select.select([self._server.stdout], [], [], 0)[0]:
            self.returncode = int(self._server.stdout.readline())
        return self.returncode

    def kill(self) -> None:
        """Ends the process at once, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """Waits for the end and returns what was printed, and the errors."""
        if self.returncode is None:
            self.returncode = int(self._server.stdout.readline())
        with self._folder:
            output, errors = (file.read_text("utf-8") for file in self._files)
        return output, errors


def run_snippet(code: str, *arguments: Any, backend: str = "tensorflow") -> str:
    """Runs code on a backend and returns what it printed; fails with its errors if it failed.

    On another backend than TensorFlow's, TensorFlow has not been imported.
    """
    snippet = Snippet(code, *arguments, backend=backend)
    printed, errors = snippet.communicate()
    assert snippet.returncode == 0, f"status {snippet.returncode}\n{errors[-4000:]}"
    return printed


@cache
def _start(backend: str) -> subprocess.Popen[bytes]:
    compiled = tempfile.TemporaryDirectory()
    variables = {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": backend,
        # Otherwise NumPy starts threads of its own when it is imported.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        # Small nets run a few steps each, so JAX spends its time on compiling: for as short as possible, and the same
        # operation once for all snippets.
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": compiled.name,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    command = [sys.executable, "-c", _FORKING]
    process = subprocess.Popen(command, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    # Last in, first out: the process ends where its input does, and then nobody needs the folder.
    atexit.register(compiled.cleanup)
    atexit.register(process.communicate)
    return process
