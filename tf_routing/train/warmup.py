"""A learning rate that rises from zero before it follows another schedule."""

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="tf_routing")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, multiplied by a factor that rises evenly from zero to one over its first steps.

    Args:
        schedule: A Keras learning-rate schedule, or a float.
        steps: Integer, steps until the factor is one.

    Example:

    >>> from tf_routing.train.warmup import Warmup
    >>> float(Warmup(0.1, steps=4)(2))
    0.05
    """

    def __init__(self, schedule: Any, steps: int) -> None:
        super().__init__()
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        """Returns the rate of a step."""
        rate = self.schedule(step) if callable(self.schedule) else self.schedule
        return rate * keras.ops.minimum(keras.ops.cast(step, "float32") / self.steps, 1.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {"schedule": keras.saving.serialize_keras_object(self.schedule), "steps": self.steps}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Warmup":
        """Builds the schedule from `get_config()`."""
        return cls(keras.saving.deserialize_keras_object(config["schedule"]), config["steps"])
