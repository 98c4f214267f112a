"""On JAX, networks to which routing was added answer as before, learn from the whole network, and skip the same."""

from tests.snippets import run_snippet

_ON_JAX = """
import keras
import numpy as np

import tf_routing
from tests.transforms.routing.own_nets import draw_scores, images, own_net

assert keras.backend.backend() == "jax"
plain, x = own_net(), images(12)
for how in ("skip", "exit", "both"):
    copy = tf_routing.add_routing(plain, how, input_range=(0, 255))
    np.testing.assert_allclose(copy(x, training=False), plain(x), rtol=2e-6, err_msg=how)
    before = {weight.path: np.array(weight) for weight in copy.weights}
    copy.compile(keras.optimizers.Adam(0.1))
    logs = copy.fit(x, batch_size=6, epochs=1, verbose=0).history
    assert all(np.isfinite(values).all() for values in logs.values()), logs
    assert {"distillation_loss", "cost_loss", "agreement"} <= set(logs), logs
    moved = {weight.path.split("/")[0] for weight in copy.weights if not np.array_equal(before[weight.path], weight)}
    body = {layer.name for layer in plain.layers}
    assert moved and not moved & body, (how, moved)
    draw_scores(copy)
    for row in tf_routing.calibrate_budgets(copy, x)[1:3]:
        copy.set_budget(row.budget)
        copy.execution = "masked"
        masked = copy.decide(x)
        copy.execution = "sparse"
        sparse = copy.decide(x)
        assert masked.keys() == sparse.keys() and len(masked) > 1
        for name, values in masked.items():
            np.testing.assert_allclose(sparse[name], values, atol=1e-5, err_msg=f"{how} {name}")
        np.testing.assert_allclose(copy.predict(x, verbose=0), masked["probabilities"], atol=1e-5)
        assert row.share == 1 or copy.cost(x).mean() < copy.static_cost
print("done")
"""


def test_routing_is_added_on_jax() -> None:
    assert run_snippet(_ON_JAX, backend="jax").split()[-1] == "done"
