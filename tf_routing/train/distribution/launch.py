"""Runs a command as several workers on this machine, each with its own `TF_CONFIG`, and ends them together."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from tf_routing.support.validation import positive_integer
from tf_routing.train.distribution.tf_config import tf_config

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def launch(command: Sequence[str], workers: int, patience: float = 60.0) -> int:
    """Runs a command once per worker, each with its own `TF_CONFIG`, and prints what they print.

    Ctrl-C and SIGTERM are passed on. When one worker fails, the others are asked to stop.

    Args:
        command: Words of the command.
        workers: Integer, how many workers.
        patience: Float, seconds that the others get to stop by themselves.

    Returns:
        Exit status of the first worker that failed, 0 if none did; 128 and the signal's number for one that a signal
        ended.

    Raises:
        ValueError: If there is to be no worker.
    """
    positive_integer("workers", workers)
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
    processes = [_start_worker(command, tf_config(addresses, index)) for index in range(workers)]
    outputs = [process.stdout for process in processes]
    printers = [threading.Thread(target=_print_lines, args=numbered) for numbered in enumerate(outputs)]
    for printer in printers:
        printer.start()
    with _pass_on_signals(processes) as passed:
        status = _wait_or_kill(processes, patience, passed)
    for printer in printers:
        printer.join()
    return status


def _free_ports(count: int) -> list[int]:
    # All open at once, so that none is found twice.
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _start_worker(command: Sequence[str], config: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TF_CONFIG": config, "PYTHONUNBUFFERED": "1"}
    # A session of its own: the terminal's Ctrl-C would reach a worker twice, and the second one means "at once".
    return subprocess.Popen(
        list(command),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _print_lines(index: int, stream: IO[str] | None) -> None:
    for line in stream or ():
        # The line's end with it: `print` writes that apart, and threads would come between.
        print(f"[worker {index}] {line.rstrip()}\n", end="", flush=True)


@contextlib.contextmanager
def _pass_on_signals(workers: list[subprocess.Popen[str]]) -> Iterator[list[int]]:
    """Lets the workers have the signals that this process gets; yields the list of those."""
    passed: list[int] = []

    def pass_on(number: int, frame: Any) -> None:
        """One signal."""
        passed.append(number)
        _send_to_all(workers, number)

    before = {number: signal.signal(number, pass_on) for number in _SIGNALS}
    try:
        yield passed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_or_kill(workers: list[subprocess.Popen[str]], patience: float, passed: list[int]) -> int:
    """Waits until all workers have ended; asks and then forces them to where one fails.

    Returns:
        Exit status of the first worker that failed, 0 if none did.
    """
    status, deadline = 0, float("inf")
    while any(worker.poll() is None for worker in workers):
        if not status and (status := _first_failure(workers)):
            deadline = time.monotonic() + patience
            # To those that were asked already a second signal means "at once".
            if not passed:
                _send_to_all(workers, signal.SIGTERM)
        if time.monotonic() > deadline:
            _send_to_all(workers, signal.SIGKILL)
        time.sleep(0.1)
    status = status or _first_failure(workers)
    return 128 - status if status < 0 else status


def _first_failure(workers: list[subprocess.Popen[str]]) -> int:
    return next((worker.returncode for worker in workers if worker.poll()), 0)


def _send_to_all(workers: list[subprocess.Popen[str]], number: int) -> None:
    for worker in workers:
        # Nothing happens to those that are through.
        worker.send_signal(number)
