"""Every public class and function shows an example, and every example runs."""

import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing


def _public(module: Any) -> dict[str, Any]:
    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    found = {name: getattr(module, name) for name in names}
    # Where there is no `__all__`, what a module imports is not its own.
    return {
        f"{module.__name__}.{name}": each
        for name, each in found.items()
        if inspect.isroutine(each) or inspect.isclass(each)
        if each.__module__.startswith(module.__name__)
    }


_NAMES = (
    *(
        "analysis",
        "core.graph",
        "core.kernels",
        "cost",
        "execution",
        "layers",
        "models",
        "objectives",
        "optimizers",
        "serving",
        "zoo",
    ),
    *("transforms.calibration", "transforms.budgets.calibration", "transforms.folding", "transforms.widening"),
    "transforms.routing.own_networks",
    *("exporting.saved_model", "exporting.archives", "exporting.checksums", "exporting.decoding", "exporting.onnx"),
)
_MODULES = [importlib.import_module(f"tf_routing.{name}") for name in _NAMES]
PUBLIC = {name: each for module in _MODULES for name, each in _public(module).items()}


def _documented(name: str, each: Any) -> dict[str, str]:
    """The docstrings of an object and of its public methods, by name."""
    found = {name: inspect.getdoc(each) or ""}
    if inspect.isclass(each):
        for key, member in vars(each).items():
            if not key.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
                found[f"{name}.{key}"] = inspect.getdoc(member) or ""
    return found


DOCSTRINGS = {key: text for name, each in PUBLIC.items() for key, text in _documented(name, each).items()}


def _names() -> dict[str, Any]:
    return {"keras": keras, "np": np, **{name.rpartition(".")[2]: each for name, each in PUBLIC.items()}}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_has_an_example(name: str) -> None:
    text = DOCSTRINGS[name]
    assert text, f"{name} has no docstring"
    assert "Example:" in text, f"the docstring of {name} has no example"
    assert doctest.DocTestParser().get_examples(text), f"the example of {name} has no code"


# Examples that build, export or draw deep networks; what they show has its tests in `tests/analysis/`,
# `tests/transforms/test_calibration.py`, `tests/conformance/test_export.py` and `tests/cost/test_gates.py`.
_HEAVY = {
    *(
        "tf_routing.transforms.calibration.calibrate",
        "tf_routing.transforms.budgets.calibration.calibrate_budgets",
        "tf_routing.exporting.saved_model.export",
        "tf_routing.cost.gated_macs",
    ),
    *("tf_routing.analysis.draw_flow_panels", "tf_routing.analysis.draw_routing_flow"),
}


def test_examples_that_are_heavy_are_there() -> None:
    assert all(">>>" in DOCSTRINGS[name] for name in _HEAVY)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.heavy) if name in _HEAVY else name
        for name, text in DOCSTRINGS.items()
        if ">>>" in text
    ],
)
def test_example_runs(name: str) -> None:
    _run(doctest.DocTestParser().get_doctest(DOCSTRINGS[name], _names(), name, None, 0))


def _run(test: doctest.DocTest) -> None:
    printed: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(test, out=printed.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(printed)


def _list_other_examples() -> dict[str, doctest.DocTest]:
    """Returns the examples of all that is not public: of other rooms, and of what only the library calls."""
    finder, found = doctest.DocTestFinder(exclude_empty=True), {}
    for module in pkgutil.walk_packages(tf_routing.__path__, "tf_routing."):
        if module.name.rpartition(".")[2] in _PROGRAMS:
            continue
        for test in finder.find(importlib.import_module(module.name)):
            if test.name in _ELSEWHERE:
                continue
            if test.examples and inspect.cleandoc(test.docstring) not in DOCSTRINGS.values():
                test.globs |= {"keras": keras, "np": np}
                found[test.name] = test
    return found


# They begin to work where they are imported.
_PROGRAMS = {"__main__", "classify_export", "start_lines"}
_ELSEWHERE = {"tf_routing.client.prediction.predict"}
"""Needs a server: `tests/serving/test_client.py` runs it with one."""
_OTHERS = _list_other_examples()


@pytest.mark.parametrize("name", _OTHERS)
def test_example_of_what_is_not_public_runs(name: str) -> None:
    _run(_OTHERS[name])
