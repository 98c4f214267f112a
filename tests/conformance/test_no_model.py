"""Every public function that takes a model says what else it was given, and what to call instead."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conformance.test_docstrings import PUBLIC
from tf_routing import models, serving

# Models ask these about themselves, and one works on whatever has layers.
_EXECUTORS = {"tf_routing.execution.check_skips", "tf_routing.execution.gated_blocks"}
FUNCTIONS = {
    name: each
    for name, each in PUBLIC.items()
    if inspect.isfunction(each) and next(iter(inspect.signature(each).parameters), None) == "model"
    if name not in _EXECUTORS
}
# Other arguments that they do not do without.
_IMAGE = np.zeros((8, 8, 3), "float32")
_GIVEN: dict[str, Any] = {
    **{"gate": "g[1][1,1]", "gates": ["g[1][1,1]"], "layers": [1], "image": _IMAGE, "images": _IMAGE[None]},
    **{"x": _IMAGE[None], "rate": 0.5, "decisions": {}, "count": 1, "inputs": _IMAGE[None], "run": print},
    "remaining": {},
}


class Subclassed(keras.Model):
    """A model without a graph."""

    def call(self, inputs: Any) -> Any:
        return inputs


STRANGE: dict[str, tuple[Callable[[], Any], str]] = {
    "path": (lambda: "runs/digits/model.keras", r"'runs/digits/model.keras', a path: load it with keras.saving"),
    "folder": (lambda: Path("runs"), "'runs', a path: load it with keras.saving.load_model"),
    "none": (lambda: None, r"None of type NoneType: tf_routing.zoo.get\(name\) builds one"),
    "name": (lambda: {"resnet20": 1}, r"\{'resnet20': 1\} of type dict: tf_routing.zoo.get"),
    "class": (lambda: models.RoutedModel, ".*of type type: tf_routing.zoo.get"),
    "subclassed": (lambda: Subclassed(name="free"), "'free' of type Subclassed: build it with keras.Input"),
    "unbuilt": (lambda: keras.Sequential([keras.layers.Dense(3)], name="free"), "'free' of type Sequential: build it"),
}


def _call(function: Callable[..., Any], model: Any, folder: Path) -> None:
    needed = [name for name, each in inspect.signature(function).parameters.items() if each.default is each.empty]
    needed = [name for name in needed if name not in ("model", "export_arguments")]
    given = {**_GIVEN, "path": folder / "written", "folder": folder / "written"}
    found = function(model, **{name: given[name] for name in needed})
    # A generator does nothing before it is asked.
    list(found) if inspect.isgenerator(found) else None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_is_no_model_is_told(name: str, tmp_path: Path) -> None:
    for make, words in STRANGE.values():
        with pytest.raises(ValueError, match=f"`model` must be a .*Received: model={words}"):
            _call(FUNCTIONS[name], make(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function", ["exporting.saved_model.export", "serving.publish", "exporting.onnx.export_onnx"])
def test_a_plain_keras_model_is_told_how_to_become_one(function: str, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    classify = keras.layers.Dense(3, "softmax")
    functional = keras.Model(image, classify(keras.layers.Flatten()(image)), name="plain")
    stack = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)], name="plain")
    for model in (functional, stack):
        words = r"'plain' of type \w+: tf_routing.RoutedModel\(model.inputs\[0\], model.outputs\[0\]\) makes one"
        with pytest.raises(ValueError, match=f"`model` must be a RoutedModel. Received: model={words}"):
            _call(FUNCTIONS[f"tf_routing.{function}"], model, tmp_path)
    assert list(tmp_path.iterdir()) == []
    # As it says.
    routed = models.RoutedModel(functional.inputs[0], functional.outputs[0])
    np.testing.assert_array_equal(routed(_IMAGE[None]), functional(_IMAGE[None]))


def test_members_are_models() -> None:
    for make, words in STRANGE.values():
        with pytest.raises(ValueError, match=rf"`members\[0\]` must be a RoutedModel. Received: members\[0\]={words}"):
            models.Ensemble.of([make()])


def test_an_ensemble_has_members() -> None:
    with pytest.raises(ValueError, match="`members` must hold at least one model. Received: none"):
        models.Ensemble.of([])


def test_all_ways_to_write_are_among_them() -> None:
    assert {"tf_routing.exporting.saved_model.export", "tf_routing.exporting.onnx.export_onnx"} < set(FUNCTIONS)
    assert PUBLIC["tf_routing.serving.publish"] is serving.publish
