"""Images of a network that skips are compared in pairs, also where two replicas see one of the two each."""

import json

import numpy as np
import pytest

from tests.snippets import run_snippet

_RUN = """
import json

import keras
import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from tests.skip_net import COUNT, images, labels, skip_model, soft_routes

two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice())
assert two.num_replicas_in_sync == 2
# The diversity of the first batch by itself, with nothing trained.
with two.scope():
    still = skip_model(copies=2, diversity_margin=2.0)
    still.compile(keras.optimizers.SGD(0.0))
data = tf.data.Dataset.from_tensor_slices((images(), labels())).batch(COUNT)
options = tf.data.Options()
options.autotune.enabled = False
diversity = still.fit(data.with_options(options), verbose=0, shuffle=False).history["diversity_loss"][0]
print(json.dumps({"diversity": diversity, "routes": soft_routes(skip_model(), images()).tolist()}))
"""


def closeness(centres: np.ndarray) -> float:
    """Eq. 6 with a margin of 2, in its weight of 0.2."""
    distances = np.sqrt(((centres[:, None] - centres) ** 2).sum(axis=-1))
    missing = np.maximum(2.0 - distances, 0)[~np.eye(len(centres), dtype=bool)] ** 2
    return 0.2 * missing.mean()


# That training moves the same weights and logs the same terms is shown in `tests/conformance/test_replicas.py`.
def test_images_on_different_replicas_are_compared() -> None:
    found = json.loads(run_snippet(_RUN).splitlines()[-1])
    centres = np.array(found["routes"]).reshape(6, 2, 3).mean(axis=1)
    apart = (closeness(centres[:3]) + closeness(centres[3:])) / 2
    assert abs(apart - closeness(centres)) > 1e-3
    assert found["diversity"] == pytest.approx(closeness(centres), rel=1e-4)
