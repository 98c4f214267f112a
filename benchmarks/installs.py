"""What does `pip install tf_routing` weigh, how long does it take to import, and do the README's lines run with it?

    make package
    python benchmarks/installs.py dist/*.whl --pythons python3.11 python3.12 python3.13 --extras "" train

Each wheel is installed into an empty environment of each Python, once per set of extras. The weight is that of all
files that the install brought, compiled ones included. Then the README's lines run there, followed by an export, which
is loaded again. Seconds are those of all cores that a fresh process worked, its own start included, so other work may
share the machine: medians and quartiles over rounds, in which environments take turns. Rows of the same label, Python
and extras are replaced in the file.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_ROOT = Path(__file__).parent.parent
_IMPORTS = {
    "package": "import tf_routing",
    "names": "from tf_routing import zoo; zoo.list_models()",
    "network": "from tf_routing import zoo; zoo.get('basecnn_2cc', width_multiplier=0.125)",
    "digits": "from tf_routing import data; data.load('digits')",
}
_EXPORT = """
import tensorflow as tf
tf_routing.export(model, "exported")
answer = tf.saved_model.load("exported").signatures["serving_default"](images=tf.constant(images[:4], "float32"))
assert abs(answer["probabilities"].numpy() - model.predict(images[:4], verbose=0)).max() < 1e-4
"""
# Printed by the environment itself: what each distribution in it weighs, in bytes.
_WEIGH = """
import importlib.metadata, json, os
weights = {}
for each in importlib.metadata.distributions():
    paths = {str(file.locate()) for file in each.files or ()}
    weights[each.metadata["Name"]] = sum(os.path.getsize(path) for path in paths if os.path.isfile(path))
print(json.dumps(weights))
"""
_LARGEST = 12


class Environment(NamedTuple):
    """An environment into which a wheel was installed.

    Args:
        row: What is known of it, for the file.
        python: Its interpreter.
    """

    row: dict[str, Any]
    python: Path


def main() -> None:
    """Installs, tries, measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheels", nargs="+", help="wheels, or LABEL=WHEEL; the label is `now` where not given")
    parser.add_argument("--pythons", nargs="+", default=[sys.executable], help="interpreters")
    parser.add_argument("--extras", nargs="+", default=[""], help="sets of extras, such as train,onnx; '' for none")
    parser.add_argument("--rounds", type=int, default=5, help="processes for each import; 0 to measure no time")
    parser.add_argument("--output", default="benchmarks/installs.json")
    arguments = parser.parse_args()
    from tf_routing.support.files import write_json

    output = Path(arguments.output)
    with tempfile.TemporaryDirectory() as folder:
        made = [
            _install(Path(folder, str(number)), *combination)
            for number, combination in enumerate(_list_combinations(arguments))
        ]
        for environment in made:
            _try(environment)
        _time_imports([each for each in made if each.row["installed"]], arguments.rounds)
    rows = [each.row for each in made]
    before = json.loads(output.read_text("utf-8")) if output.exists() else {"rows": []}
    kept = [row for row in before["rows"] if _key(row) not in {_key(new) for new in rows}]
    # Of the machine that the times are from: sizes are those of any.
    hardware = before.get("hardware") if not arguments.rounds else None
    write_json(output, {"hardware": hardware or _describe_machine(), "rows": kept + rows})


def _list_combinations(arguments: argparse.Namespace) -> list[tuple[str, Path, str, str]]:
    wheels = [each.rpartition("=") for each in arguments.wheels]
    return [
        (label or "now", Path(path).resolve(), python, extras)
        for python in arguments.pythons
        for extras in arguments.extras
        for label, _, path in wheels
    ]


def _install(folder: Path, label: str, wheel: Path, python: str, extras: str) -> Environment:
    """Makes an environment; its row says why where pip finds nothing to install."""
    _run([python, "-m", "venv", folder], check=True)
    inside = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    version = _run([inside, "-c", "import platform; print(platform.python_version())"], check=True).stdout.strip()
    row = {"label": label, "python": version, "extras": extras, "date": datetime.date.today().isoformat()}
    before = _weigh(inside)
    wanted = f"tf_routing[{extras}] @ {wheel.as_uri()}"
    finished = _run([inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wanted])
    errors = [line for line in finished.stderr.splitlines() if line.startswith("ERROR")]
    row |= {"installed": finished.returncode == 0, "reason": errors[0] if finished.returncode and errors else ""}
    brought = {name: size for name, size in _weigh(inside).items() if name not in before}
    largest = sorted(brought, key=lambda name: -brought[name])[:_LARGEST]
    row |= {"distributions": len(brought), "megabytes": round(sum(brought.values()) / 1e6, 1)}
    row["largest_megabytes"] = {name: round(brought[name] / 1e6, 1) for name in largest}
    print(row, flush=True)
    return Environment(row, inside)


def _weigh(python: Path) -> dict[str, int]:
    return json.loads(_run([python, "-c", _WEIGH], check=True).stdout)


def _try(environment: Environment) -> None:
    """Runs the README's lines in an empty folder, and says in the row whether all came to their end."""
    if not environment.row["installed"]:
        return
    (code,) = re.findall(r"```python\n(.*?)```", (_ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        finished = _run([environment.python, "-c", code + _EXPORT], folder)
    error = "" if finished.returncode == 0 else finished.stderr.strip().splitlines()[-1]
    environment.row.update(readme_runs=finished.returncode == 0, error=error)
    print(environment.row["label"], environment.row["extras"], "README:", error or "runs", flush=True)


def _time_imports(environments: Sequence[Environment], rounds: int) -> None:
    for what, code in _IMPORTS.items():
        taken: list[list[float]] = [[] for _ in environments]
        # One more, which is not counted: the first one reads the files from the disk.
        for _ in range(rounds + 1 if rounds else 0):
            for own, environment in zip(taken, environments, strict=True):
                own.append(_time([environment.python, "-c", code]))
        for own, environment in zip(taken, environments, strict=True):
            if own[1:]:
                low, median, high = (round(float(each), 3) for each in np.quantile(own[1:], (0.25, 0.5, 0.75)))
                seconds = environment.row.setdefault("processor_seconds", {})
                seconds[what] = {"median": median, "quartiles": [low, high]}
                print(environment.row["label"], environment.row["extras"], what, seconds[what], flush=True)


def _time(command: Sequence[Any]) -> float:
    """Returns the processor seconds of a process, of all threads."""
    process = subprocess.Popen([str(word) for word in command], env=_environment(), stderr=subprocess.DEVNULL, cwd="/")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"It failed: {command}")
    return usage.ru_utime + usage.ru_stime


def _run(command: Sequence[Any], folder: str | None = None, check: bool = False) -> "subprocess.CompletedProcess[str]":
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=folder, env=_environment(), capture_output=True, text=True, check=check)


def _environment() -> dict[str, str]:
    # This checkout must not be what is imported.
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "3"}


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["label"], row["python"].rpartition(".")[0], row["extras"]


def _describe_machine() -> dict[str, Any]:
    from tf_routing.support.hardware import hardware

    return {key: value for key, value in hardware().items() if key in ("processor", "cores", "avx512", "machine")}


if __name__ == "__main__":
    main()
