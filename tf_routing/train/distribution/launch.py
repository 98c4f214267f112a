"""Starts several workers on this machine, to try out what runs on a cluster.

python -m tf_routing.train.distribution.launch --workers 2 -- fit --strategy multiworker --output runs/two
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, Any

from tf_routing.train.distribution.tf_config import tf_config

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main(arguments: Sequence[str] | None = None) -> int:
    """Starts the workers that the command line asks for, and waits for them.

    Args:
        arguments: Words after the program's name; those of the process where not given.

    Returns:
        Exit status of the first worker that failed, 0 if none did.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tf_routing.train.distribution.launch", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--workers", type=int, default=2, help="how many workers (default: 2)")
    about = "seconds that the others get to stop by themselves when one failed (default: 60)"
    parser.add_argument("--patience", type=float, default=60.0, help=about)
    parser.add_argument("words", nargs="+", metavar="-- WORD", help="command of tf-routing with its options")
    parsed = parser.parse_args(arguments)
    if parsed.workers < 1:
        parser.error(f"--workers must be at least 1, received {parsed.workers}")
    return launch([sys.executable, "-m", "tf_routing", *parsed.words], parsed.workers, parsed.patience)


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
    """
    addresses = [f"127.0.0.1:{port}" for port in _free_ports(workers)]
    started = [_started(command, tf_config(addresses, index)) for index in range(workers)]
    printers = [threading.Thread(target=_print_lines, args=(index, each.stdout)) for index, each in enumerate(started)]
    for printer in printers:
        printer.start()
    with _passed_on(started) as passed:
        status = _waited_for(started, patience, passed)
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


def _started(command: Sequence[str], config: str) -> subprocess.Popen[str]:
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
def _passed_on(workers: list[subprocess.Popen[str]]) -> Iterator[list[int]]:
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


def _waited_for(workers: list[subprocess.Popen[str]], patience: float, passed: list[int]) -> int:
    """Returns the exit status of the first worker that failed, once all have ended."""
    status, deadline = 0, float("inf")
    while any(worker.poll() is None for worker in workers):
        if not status and (status := _first_failure(workers)):
            deadline = time.monotonic() + patience
            # To those that were told already a second signal means "at once".
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


if __name__ == "__main__":
    sys.exit(main())
