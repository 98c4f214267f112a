"""Cross-predictions: every input predicts every output by a kernel, and gates weigh the predictions."""

from typing import Any

import keras

from tf_routing.core.tensors import Tensor
from tf_routing.layers.initializers import distinct_copy
from tf_routing.layers.parts import float_part, part_policy
from tf_routing.layers.paths.mixing import weighted_sum
from tf_routing.layers.paths.parallel import parallel_shapes
from tf_routing.layers.paths.routing_layer import RoutingLayer
from tf_routing.support.validation import plain, positive_integer


@keras.saving.register_keras_serializable(package="tf_routing")
class CrossPrediction(RoutingLayer):
    """Predicts every output from every input, and adds the predictions weighted by gates.

    It replaces a layer of the network and holds m x n kernels.

    Equation:
        U_ij = W_ij * X_i + b_ij                            (unnumbered)
        g_i = Gate(X_i)                                     (Eq. 1 to 3)
        Y_j = ReLU(BN_j(sum_i g_ij U_ij))                   (Eq. 4)

        with X_i, i = 1..m, the tensors of `inputs` and Y_j, j = 1..n, the n = `paths` outputs. W_ij is a convolution of
        `kernel_size` to `filters` channels on maps, a matrix to `units` on vectors; b_ij is there with `use_bias`. g_i
        (B, n) is the output of a Gate layer with `hidden` units.

        Eq. 4 prints n as the upper limit of the sum; it is m, the number of inputs, as in Eq. 5. The paper does not
        mention batch normalisation; here BN_j (`momentum`, `epsilon`) follows the sum, once per output, as it follows
        every other convolution of these networks: one per prediction would fit the printed parameter counts less well.

    Args:
        paths: Integer n, the number of outputs.
        filters: Integer, channels of an output, for maps. Exactly one of `filters` and `units` is given.
        units: Integer, units of an output, for vectors.
        kernel_size: Integer, side of the convolution kernels (padding is `"same"`).
        hidden: Integer, the units in the hidden layer of a gate.
        choice_initializer: Initializer of the last kernel of a gate; `"zeros"` starts with uniform gates.
        kernel_initializer: Initializer of the prediction kernels.
        use_bias: Boolean, whether the predictions have biases.
        momentum: Float, momentum of the batch normalisation.
        epsilon: Float, added to the variance in the batch normalisation.
        **kwargs: As for every `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor or list of m tensors of one shape: maps where `filters` is given, vectors where `units` is.
        return_gates: Boolean, whether to return the gates too.
        training: Boolean, whether to normalise by the statistics of the batch.

    Returns:
        List of n tensors; with `return_gates`, a pair of that list and the gates `(batch, m, n)`.

    Raises:
        ValueError: If both or none of `filters` and `units` are given, or the inputs differ in shape or in rank.

    Example:

    >>> left, right = keras.ops.ones((2, 8, 8, 4)), keras.ops.zeros((2, 8, 8, 4))
    >>> outputs = CrossPrediction(paths=3, filters=6)([left, right])
    >>> len(outputs), outputs[0].shape
    (3, TensorShape([2, 8, 8, 6]))

    Reference:
        Tissera et al. (2021), *End-To-End Data-Dependent Routing in Multi-Path Neural Networks*, arXiv:2107.02450,
        sections 3 and 4, Eq. 1 to 5, Algorithm 1.
    """

    def __init__(
        self,
        paths: int,
        filters: int | None = None,
        units: int | None = None,
        kernel_size: int = 3,
        hidden: int = 16,
        choice_initializer: Any = "glorot_uniform",
        kernel_initializer: Any = "he_normal",
        use_bias: bool = True,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(paths, hidden, choice_initializer, **kwargs)
        if (filters is None) == (units is None):
            raise ValueError(
                "Exactly one of `filters` (maps) and `units` (vectors) must be given. "
                f"Received: filters={filters!r}, units={units!r}"
            )
        self.filters = None if filters is None else positive_integer("filters", filters)
        self.units = None if units is None else positive_integer("units", units)
        self.kernel_size = positive_integer("kernel_size", kernel_size)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.use_bias = use_bias
        self.momentum = plain(momentum)
        self.epsilon = plain(epsilon)
        self.predictions: list[list[Any]] = []
        self.normalizations: list[Any] = []

    def build_outputs(self, shapes: list[tuple[Any, ...]]) -> None:
        """Creates the kernels, one per pair of input and output, and the normalisations, one per output."""
        rank, argument = (4, "filters") if self.filters else (2, "units")
        if len(shapes[0]) != rank:
            raise ValueError(f"With `{argument}`, inputs must be of rank {rank}. Received shapes: {shapes}")
        outputs = range(1, self.paths + 1)
        self.predictions = [[self._prediction(i, j) for j in outputs] for i in range(1, len(shapes) + 1)]
        self.normalizations = [self._normalization(j) for j in outputs]
        for row in self.predictions:
            for prediction in row:
                prediction.build(shapes[0])
        for normalization in self.normalizations:
            normalization.build(self._predicted_shape(shapes[0]))

    def _prediction(self, i: int, j: int) -> Any:
        shared = {
            "use_bias": self.use_bias,
            # A seeded initializer draws the same values whenever it is called: one object would make kernels equal.
            "kernel_initializer": distinct_copy(self.kernel_initializer, (i - 1) * self.paths + j),
            "dtype": part_policy(self),
            "name": f"prediction_{i}_{j}",
        }
        if self.filters:
            return keras.layers.Conv2D(self.filters, self.kernel_size, padding="same", **shared)
        return float_part(keras.layers.Dense(self.units, **shared))

    def _normalization(self, j: int) -> Any:
        return keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, dtype=self.dtype_policy, name=f"normalization_{j}"
        )

    def _predicted_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*shape[:-1], self.filters or self.units)

    def combine(self, inputs: list[Any], gates: Tensor, training: bool | None) -> list[Any]:
        """Returns the normalised, rectified weighted sums of the predictions (Eq. 4)."""
        outputs = []
        for j, normalization in enumerate(self.normalizations):
            predicted = [row[j](tensor) for row, tensor in zip(self.predictions, inputs, strict=True)]
            outputs.append(keras.ops.relu(normalization(weighted_sum(predicted, gates[:, :, j]), training=training)))
        return outputs

    def macs(self, input_shape: Any) -> int:
        """Returns the multiply-accumulates per sample for inputs of these shapes, gates included."""
        shapes = parallel_shapes(type(self).__name__, input_shape)
        prediction = self._prediction_macs(shapes[0])
        return super().macs(shapes) + len(shapes) * self.paths * prediction

    def _prediction_macs(self, shape: tuple[Any, ...]) -> int:
        if self.filters:
            return shape[1] * shape[2] * shape[3] * self.filters * self.kernel_size**2
        return shape[1] * (self.units or 0)

    def get_config(self) -> dict[str, Any]:
        config = {
            "filters": self.filters,
            "units": self.units,
            "kernel_size": self.kernel_size,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "use_bias": self.use_bias,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
        return {**super().get_config(), **config}
