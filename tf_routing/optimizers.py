"""The optimizer of the papers, SGD whose weight decay passes through the momentum, and learning rates that rise."""

from typing import Any

import keras

from tf_routing.core.kernels import is_kernel
from tf_routing.core.private_apis import known_variable
from tf_routing.support.validation import not_negative, not_negative_integer, positive_integer, positive_number


@keras.saving.register_keras_serializable(package="tf_routing")
class DecayedSGD(keras.optimizers.SGD):
    """SGD whose weight decay goes through the momentum, on kernels only.

    `keras.optimizers.SGD(weight_decay=...)` shrinks the weights apart from the momentum. The papers add the decay to
    the gradient, which a momentum of 0.9 makes ten times as strong.

    Equation:
        v' = m v - lr (g + k w)
        w' = w + v'

        with w a kernel and g its gradient; lr = `learning_rate`, m = `momentum` and k = `kernel_decay`. Kernels include
        those of recurrent cells; for biases, batch normalisation and stitch scalars k is 0.

    Args:
        learning_rate: Float or schedule.
        momentum: Float, momentum of the update.
        kernel_decay: Float, factor of the kernel that is added to its gradient: that of an L2 penalty k / 2 |w|^2.
        **kwargs: As for `keras.optimizers.SGD`.

    Raises:
        ValueError: If `kernel_decay` is no number of at least zero.

    Example:

    >>> DecayedSGD(learning_rate=0.1, kernel_decay=1e-4).kernel_decay
    0.0001

    Reference:
        He et al. (2015), *Deep Residual Learning for Image Recognition*, arXiv:1512.03385, section 4.2.
    """

    def __init__(
        self, learning_rate: Any = 0.1, momentum: float = 0.9, kernel_decay: float = 1e-4, **kwargs: Any
    ) -> None:
        super().__init__(learning_rate=learning_rate, momentum=momentum, **kwargs)
        self.kernel_decay = not_negative("kernel_decay", kernel_decay)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Applies an update to a variable, with the decay added to the gradient if it is a kernel."""
        if is_kernel(known_variable(self, variable).name):
            gradient = gradient + keras.ops.cast(self.kernel_decay, gradient.dtype) * keras.ops.cast(
                variable, gradient.dtype
            )
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "kernel_decay": self.kernel_decay}


@keras.saving.register_keras_serializable(package="tf_routing")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, multiplied by a factor that rises evenly from zero to one over its first steps.

    Args:
        schedule: A Keras learning-rate schedule, or a float.
        steps: Integer, steps until the factor is one; 0 for a factor that is one from the start.

    Raises:
        ValueError: If `steps` is no integer of at least zero.

    Example:

    >>> round(float(Warmup(0.1, steps=4)(2)), 3)
    0.05
    """

    def __init__(self, schedule: Any, steps: int) -> None:
        super().__init__()
        self.schedule, self.steps = schedule, not_negative_integer("steps", steps)

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        if not self.steps:
            return keras.ops.convert_to_tensor(rate, "float32")
        return rate * keras.ops.minimum(keras.ops.cast(step, "float32") / self.steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Warmup":
        """Builds the schedule from `get_config()`."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["steps"])


@keras.saving.register_keras_serializable(package="tf_routing")
class Triangular(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises evenly from zero and then falls evenly to zero.

    Equation:
        r_t = r min(t / a, (T - t) / (T - a)), at least 0

        with t the step, counted from zero; r = `highest`, a = `rising_steps` and T = `steps`. Without rising steps the
        rate falls from the start. The paper's cycle begins above zero, and a part of its own ends it; here both ends
        are zero.

    Args:
        highest: Float, the highest rate.
        steps: Integer, steps until the rate is zero again.
        rising_steps: Integer, steps until it is highest; fewer than `steps`.

    Raises:
        ValueError: If an argument is not possible.

    Example:

    >>> rate = Triangular(0.4, steps=10, rising_steps=2)
    >>> [round(float(rate(step)), 3) for step in (0, 1, 2, 6, 10)]
    [0.0, 0.2, 0.4, 0.2, 0.0]

    Reference:
        Smith and Topin (2017), *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates*,
        arXiv:1708.07120, section 3.
    """

    def __init__(self, highest: float, steps: int, rising_steps: int = 0) -> None:
        super().__init__()
        self.highest, self.steps = positive_number("highest", highest), positive_integer("steps", steps)
        self.rising_steps = not_negative_integer("rising_steps", rising_steps)
        if self.rising_steps >= self.steps:
            raise ValueError(f"`rising_steps` must be below steps={steps}. Received: rising_steps={rising_steps!r}")

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        step = keras.ops.cast(step, "float32")
        share = keras.ops.maximum((self.steps - step) / (self.steps - self.rising_steps), 0.0)
        if self.rising_steps:
            share = keras.ops.minimum(step / self.rising_steps, share)
        return self.highest * share

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"highest": self.highest, "steps": self.steps, "rising_steps": self.rising_steps}
