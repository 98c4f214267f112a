"""The callback by which an objective adapts to the logs of an epoch, before other callbacks see them."""

from typing import Any

import keras


class EndOfEpoch(keras.callbacks.Callback):
    """Tells a routed model what an epoch's logs say."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Hands the logs on."""
        self.model.trained_objective.end_epoch(logs or {})


def with_end_of_epoch(callbacks: Any, model: Any) -> Any:
    """Returns callbacks, as `fit` takes them, that adapt the objective before the others see an epoch's end."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        # A list that is used again has it already.
        others = [callback for callback in callbacks.callbacks if not isinstance(callback, EndOfEpoch)]
        first = EndOfEpoch()
        first.set_model(model)
        callbacks.callbacks = [first, *others]
        return callbacks
    return [EndOfEpoch(), *keras.tree.flatten(callbacks or [])]
