"""Files that an earlier version saved load, and answer what they answered then."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conformance.subjects import FAMILIES, LAYERS
from tests.golden.write import FOLDER
from tf_routing import models

_FILES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.keras"))


def test_every_layer_and_every_builder_has_a_file() -> None:
    wanted = {f"layers/{name}" for name in LAYERS} | {f"nets/{name}" for name in FAMILIES}
    assert wanted - set(_FILES) == set(), (
        "Without a file: `python -m tests.golden.write` adds it, and no other changes."
    )


@pytest.mark.parametrize("name", _FILES)
def test_file_of_before_answers_as_before(name: str) -> None:
    path = Path(FOLDER, f"{name}.keras")
    model = keras.saving.load_model(path)
    with np.load(path.with_suffix(".npz")) as before:
        x = [before[key] for key in before.files if key.startswith("x")]
        x = x if len(x) > 1 else x[0]
        np.testing.assert_allclose(np.asarray(model(x, training=False)), before["y"], atol=1e-5)
        decisions = {key.removeprefix("routes/"): before[key] for key in before.files if key.startswith("routes/")}
    if isinstance(model, models.RoutedModel):
        assert model.has_objective
        routes = model.routes(x)
        assert list(routes) == list(decisions)
        for key, value in decisions.items():
            np.testing.assert_allclose(routes[key], value, atol=1e-5, err_msg=key)
