"""Processes that each hold the same networks under one setting of TensorFlow, and take turns in running them.

oneDNN and the number of threads are settings of a whole process, so comparing each network at its own best setting
takes several. Only one of them works at any time, and all are asked in turn: what slows the machine slows all.
"""

import multiprocessing
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from memory import peak_bytes

from tf_routing.evaluation.timing import Timing, time_call

_PEAK = "peak"


class Setting(NamedTuple):
    """Whether oneDNN is on, and the threads for operations side by side and within one (0: TensorFlow's choice)."""

    onednn: int
    inter_op: int
    intra_op: int

    def __str__(self) -> str:
        threads = f"{self.inter_op}x{self.intra_op} threads" if self.inter_op else "default threads"
        return f"oneDNN {'on' if self.onednn else 'off'}, {threads}"


class Worker:
    """A process under one setting.

    Args:
        setting: The setting.
        load: Picklable function of nothing that returns a dict from name to a function of batch size that returns a
            function of a round's number.
    """

    def __init__(self, setting: Setting, load: Callable[[], dict[str, Any]]) -> None:
        context = multiprocessing.get_context("spawn")
        self.setting = setting
        self._pipe, other = context.Pipe()
        before = dict(os.environ)
        os.environ.update(TF_ENABLE_ONEDNN_OPTS=str(setting.onednn), TF_CPP_MIN_LOG_LEVEL="3")
        if setting.inter_op:
            os.environ.update(
                TF_NUM_INTEROP_THREADS=str(setting.inter_op), TF_NUM_INTRAOP_THREADS=str(setting.intra_op)
            )
        self._process = context.Process(target=_serve, args=(other, setting, load), daemon=True)
        self._process.start()
        os.environ.clear()
        os.environ.update(before)

    def time(self, name: str, batch: int, number: int) -> Timing:
        """Runs one network once and returns how long it took."""
        self._pipe.send((name, batch, number))
        answer = self._pipe.recv()
        if isinstance(answer, str):
            raise RuntimeError(f"{name} at batch {batch} under {self.setting} failed: {answer}")
        return Timing(*answer)

    def peak_bytes(self) -> int:
        """Returns the most memory that the process has held."""
        self._pipe.send(_PEAK)
        return int(self._pipe.recv())

    def close(self) -> None:
        """Ends the process."""
        self._pipe.send(None)
        self._process.join(30)


def _serve(pipe: Any, setting: Setting, load: Callable[[], dict[str, Any]]) -> None:
    networks, compiled = load(), {}
    while (request := pipe.recv()) is not None:
        if request == _PEAK:
            pipe.send(peak_bytes())
            continue
        name, batch, number = request
        try:
            if (name, batch) not in compiled:
                compiled[name, batch] = networks[name](batch)
            run = compiled[name, batch]
            # Another network ran last, and may have run in another process: a server finds its own in the caches.
            run(number - 1)
            pipe.send(tuple(time_call(lambda run=run, number=number: run(number))))
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
