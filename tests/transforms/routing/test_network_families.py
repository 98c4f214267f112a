"""The table of Keras's applications says what is in them; small ones of each kind give the same answers when routed."""

import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import tf_routing
from tests.transforms.routing.own_nets import draw_scores

DOCS = Path(__file__).parents[3] / "docs"
_FAST = ("MobileNetV2", "MobileNetV3")


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DOCS))
    import network_families

    yield network_families
    sys.modules.pop("network_families")


def _rows() -> dict[str, dict[str, Any]]:
    return {row["family"]: row for row in json.loads((DOCS / "network_families.json").read_text("utf-8"))}


@pytest.mark.parametrize(
    "family", [pytest.param(each, marks=() if each in _FAST else pytest.mark.heavy) for each in _rows()]
)
def test_the_table_is_what_the_networks_have(family: str, families: Any) -> None:
    assert families.count_family(family) == _rows()[family]


def test_the_table_has_all_families(families: Any) -> None:
    assert list(_rows()) == list(families.FAMILIES)


SMALL: dict[str, dict[str, Any]] = {
    "MobileNetV2": {"alpha": 0.35, "input_shape": (32, 32, 3)},
    "MobileNetV3Small": {"alpha": 0.75, "input_shape": (32, 32, 3)},
    "EfficientNetB0": {"input_shape": (32, 32, 3)},
    "EfficientNetV2B0": {"input_shape": (32, 32, 3)},
    "ResNet50": {"input_shape": (32, 32, 3)},
    "ResNet50V2": {"input_shape": (32, 32, 3)},
    "ConvNeXtTiny": {"input_shape": (32, 32, 3)},
    "Xception": {"input_shape": (71, 71, 3)},
    "InceptionResNetV2": {"input_shape": (75, 75, 3)},
    "NASNetMobile": {"input_shape": (32, 32, 3)},
}


@pytest.mark.heavy
@pytest.mark.parametrize("name", SMALL)
def test_answers_are_the_same(name: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    model = getattr(keras.applications, name)(weights=None, classes=7, **SMALL[name])
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if weight.name in ("moving_variance", "gamma"):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.name in ("moving_mean", "beta", "bias"):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    x = rng.uniform(0, 255, (4, *model.input_shape[1:])).astype("float32")
    copy = tf_routing.add_routing(model, input_range=(0, 255))
    expected = np.asarray(model(x, training=False))
    np.testing.assert_array_equal(copy(x, training=False), expected)
    draw_scores(copy)
    copy.save(tmp_path / "copy.keras")
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "copy.keras")(x), copy(x))
    np.testing.assert_allclose(tf_routing.fold_batch_norm(copy)(x), copy(x), atol=1e-5)
    if name not in ("NASNetMobile", "InceptionResNetV2"):
        tf_routing.onnx_export.export_onnx(copy, tmp_path / "copy.onnx", execution="sparse")
