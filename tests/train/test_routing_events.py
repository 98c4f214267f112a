"""TensorBoard's events of routing say what the model decides about test images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.skip_net import images, skip_model
from tf_routing import zoo
from tf_routing.models import RoutedModel
from tf_routing.train.routing_events import RoutingEvents, mean_decisions, picture_extremes, picture_rates

pytestmark = pytest.mark.usefixtures("eagerly")


def written(model: RoutedModel, x: np.ndarray, y: np.ndarray, folder: Path) -> dict[str, Any]:
    """Numbers and pictures by tag, as TensorBoard would read them."""
    events = RoutingEvents(folder, tf.data.Dataset.from_tensor_slices((x, y)).batch(4), lambda: model)
    events.on_epoch_end(2)
    events.on_train_end()
    (file,) = folder.iterdir()
    found = {}
    for event in tf.compat.v1.train.summary_iterator(str(file)):
        for value in event.summary.value:
            assert event.step == 2
            tensor = tf.make_ndarray(value.tensor)
            # Of a picture its width, its height, and its file.
            found[value.tag] = float(tensor) if tensor.ndim == 0 else tf.io.decode_image(tensor[2]).numpy()
    return found


def test_events_of_a_network_that_skips(tmp_path: Path) -> None:
    model, x, y = skip_model(), images()[:6], np.array([0, 2, 0, 2, 1, 1])
    found = written(model, x, y, tmp_path)
    # Of the first batch alone.
    routes, macs = model.routes(x[:4]), model.cost(x[:4])
    for name, values in routes.items():
        assert found.pop(f"routing/{name}") == pytest.approx(values.mean())
    assert found.pop("routing/executed_share") == pytest.approx(macs.mean() / model.static_cost)
    switches = np.concatenate(list(routes.values()), axis=1)
    assert found.pop("routing/distinct_routes") == len({tuple(row) for row in switches})
    np.testing.assert_array_equal(found.pop("routing/rates"), picture_rates(routes, y[:4]))
    height, width = x.shape[1:3]
    assert found.pop("routing/cheapest_and_dearest").shape == (2 * height, 4 * width, 3)
    assert found == {}


def test_events_of_gates(tmp_path: Path) -> None:
    model = zoo.get("basecnn_2cc", width_multiplier=0.0625, input_shape=(16, 16, 3))
    x = np.random.default_rng(0).uniform(size=(3, 16, 16, 3)).astype("float32")
    found = written(model, x, np.zeros(3, int), tmp_path)
    gates = model.routes(x)["route_2"]
    assert found["routing/route_2/2_1"] == pytest.approx(gates[:, 1, 0].mean(), abs=1e-5)
    assert set(found) == {f"routing/{name}" for name in (*mean_decisions(model.routes(x)), "rates")}


def test_pictures_show_rates_by_class_and_extremes() -> None:
    rates = picture_rates(
        {"a": np.array([[1.0], [0.0], [1.0]]), "b": np.array([[0.0], [0.0], [1.0]])}, np.array([5, 5, 7])
    )
    np.testing.assert_array_equal(rates[::16, ::16, 0], [[128, 0], [255, 255]])
    pictures = np.arange(3)[:, None, None, None] * np.full((1, 2, 2, 1), 0.5)
    shown = picture_extremes(pictures, np.array([7, 5, 9]))
    np.testing.assert_array_equal(shown[::2, ::2, 0], [[0.5, 0, 1], [1, 0, 0.5]])
