"""Private attributes of Keras, TensorFlow and other libraries are touched in one file, `core/private_apis.py`."""

import ast
from collections.abc import Iterator
from pathlib import Path

import keras
import pytest

from tests.conformance.subjects import ROOT

FILES = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "tf_routing").rglob("*.py"))}
HOME = "tf_routing/core/private_apis.py"
# Named tuples document these as their interface; the underscore only keeps them apart from fields.
_NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}
# The parser of the command line says which option was meant, and has a type for its commands; argparse shows neither.
_ALLOWED = {"tf_routing/cli/": {"_SubParsersAction", "_actions", "_option_string_actions"}}
_BY_NAME = {"delattr", "getattr", "hasattr", "setattr"}


def _is_private(name: object) -> bool:
    if not isinstance(name, str) or not name.isidentifier():
        return False
    return name == "__internal__" or (name.startswith("_") and name != "_" and not name.endswith("__"))


def _theirs() -> set[str]:
    """Private names of what the package subclasses and calls, those that an instance sets too."""
    image = keras.Input((4,))
    model = keras.Model(image, keras.layers.Dense(2)(image))
    model.compile("sgd", "mse")
    objects = [model, keras.Sequential([image, keras.layers.Dense(1)]), image, model.layers[1], model.weights[0]]
    objects += [model.optimizer, keras.metrics.Mean(), keras.callbacks.TensorBoard(), keras.losses.MeanSquaredError()]
    return {name for each in objects for name in dir(each) if _is_private(name)}


def _defined(tree: ast.AST, theirs: set[str]) -> Iterator[str]:
    """Private names that a module defines: functions, classes, variables, and attributes that are not another's."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr not in theirs:
            yield node.attr


def _touched(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines, and the private name or private module that each of them reads, sets, asks for or imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            yield node.lineno, node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _BY_NAME:
            names = [each.value for each in node.args[1:2] if isinstance(each, ast.Constant)]
            yield from ((node.lineno, name) for name in names if _is_private(name))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("keras.src", "tensorflow.python")):
            yield node.lineno, node.module or ""


def offences(name: str, tree: ast.AST, ours: set[str]) -> list[str]:
    """Returns where a module touches what is another's."""
    allowed = _NAMED_TUPLE.union(*(names for folder, names in _ALLOWED.items() if name.startswith(folder)))
    return [f"{name}:{line}: {touched}" for line, touched in _touched(tree) if touched not in ours | allowed]


@pytest.fixture(scope="module")
def theirs() -> set[str]:
    return _theirs()


def test_private_attributes_of_others_are_touched_in_one_file(theirs: set[str]) -> None:
    trees = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}
    ours = {each for tree in trees.values() for each in _defined(tree, theirs)}
    found = [each for name, tree in trees.items() if name != HOME for each in offences(name, tree, ours)]
    assert not found, "\n".join(found)
    # The file is there, and it does what no other may.
    assert {each.rpartition(" ")[2] for each in offences(HOME, trees[HOME], ours)} >= {"_keras_history", "__internal__"}


@pytest.mark.parametrize(
    "line",
    [
        "model._flatten_layers()",
        "self._loss_tracker.reset_state()",
        "self._jit_compile = None",
        "getattr(layer, '_inbound_nodes', [])",
        "tf.__internal__.tracking",
        "from keras.src.models import functional",
    ],
)
def test_what_is_refused(line: str, theirs: set[str]) -> None:
    tree = ast.parse(line)
    assert offences("tf_routing/models/any.py", tree, set(_defined(tree, theirs)))


@pytest.mark.parametrize("line", ["self._rows = 1\nself._rows", "def _build(): ...\nx._build", "row._replace(a=1)"])
def test_what_is_not_refused(line: str, theirs: set[str]) -> None:
    tree = ast.parse(line)
    assert not offences("tf_routing/models/any.py", tree, set(_defined(tree, theirs)))


def test_exceptions_are_needed() -> None:
    for folder, names in _ALLOWED.items():
        text = "".join(path.read_text("utf-8") for name, path in FILES.items() if name.startswith(folder))
        assert names == {name for name in names if name in text}, folder
    assert Path(ROOT, HOME).is_file()
