"""What a penalty keeps small is every kernel of a layer, and nothing else."""

import keras
import numpy as np

from tf_routing.models.training.squared_kernels import squared_kernels


def test_squares_by_hand() -> None:
    steps = keras.Input((3, 2))
    lstm = keras.layers.LSTM(
        5, kernel_initializer=keras.initializers.Constant(2.0), recurrent_initializer="ones", name="lstm"
    )
    depthwise = {"depthwise_initializer": "ones", "pointwise_initializer": keras.initializers.Constant(3.0)}
    separable = keras.layers.SeparableConv1D(4, 2, bias_initializer="ones", name="separable", **depthwise)
    norm = keras.layers.BatchNormalization(name="norm")
    model = keras.Model(steps, [lstm(steps), norm(separable(steps))])
    squares = squared_kernels(model, ["lstm", "separable", "norm"])
    # 2 x 20 kernels of 2 and 5 x 20 of 1; 2 x 2 of 1 and 2 x 4 of 3; none.
    np.testing.assert_allclose(
        [float(squares[f"{name}_squares"]) for name in ("lstm", "separable", "norm")], [260.0, 76.0, 0.0], rtol=1e-6
    )
