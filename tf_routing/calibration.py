"""Sets the share of images for which each gated part runs, without training."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tf_routing.models import RoutedModel


def calibrate(model: "RoutedModel", images: Any, *, rate: float) -> None:
    """Shifts the thresholds of a gated model's routers so that each gate opens on a share of the images.

    The routers stay and go on deciding per image. They are shifted in order of depth, since each sees what those
    before it let through. Tests and benchmarks of execution get a known share of executed parts this way, with
    decisions that differ between images.

    Args:
        model: A model with routers, such as a dynamic multi-path network. It is changed.
        images: Images `(count, height, width, channels)`, or a dict with more, a few dozen to a few hundred, run as one
            batch; shares are as fine as their number.
        rate: Float in [0, 1], the share of images for which each gate is to open, forced switches included; at a
            junction the share that goes on, of those that come there.

    Raises:
        ValueError: If the model has no routers, `rate` is outside [0, 1], or there are no images.

    Example:

    >>> import numpy as np
    >>> from tf_routing import zoo
    >>> model = zoo.get("dmnn50_cifar_n2", width_multiplier=0.125)
    >>> images = np.random.default_rng(0).uniform(size=(10, 32, 32, 3))
    >>> calibrate(model, images, rate=0.3)
    >>> [round(float(share), 2) for share in model.routes(images)["controller_16"].mean(axis=0)]
    [0.3, 0.3]
    """
    import keras
    import numpy as np

    from tf_routing.model_arguments import graph_model
    from tf_routing.models.inputs import per_sample

    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be in [0, 1]. Received: rate={rate!r}")
    if not _has_routers(graph_model(model)):
        raise ValueError(f"`model` must have routers with thresholds; {model.name!r} has none.")
    given = per_sample(images)
    # Not flattened where they are nested lists of numbers.
    inputs = keras.tree.flatten(given) if isinstance(given, dict) else [np.asarray(given)]
    if len(inputs[0]) == 0:
        raise ValueError("`images` must hold at least one image. Received: none")
    tensors = [
        keras.ops.convert_to_tensor(np.reshape(each, (len(each), *spec.shape[1:])), dtype=spec.dtype)
        for each, spec in zip(inputs, model.inputs, strict=True)
    ]
    _run(model, tensors, rate)


def _run(model: Any, images: Any, rate: float) -> Any:
    """One pass in order of depth, in which each router is shifted when its turn comes, before it decides."""

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls one operation of the graph."""
        if _has_routers(operation):
            return _run(operation, args[0], rate)
        if hasattr(operation, "shift_thresholds"):
            operation.shift_thresholds(operation.shifts_for_rate(rate, *args))
        return operation(*args, **kwargs)

    # Keras's own walk through the graph. Models cut off at each router would run the first blocks once per router.
    return model._run_through_graph(images, operation_fn=lambda operation: operation, call_fn=call)


def _has_routers(operation: Any) -> bool:
    parts = getattr(operation, "operations", [])
    return any(hasattr(part, "shift_thresholds") or _has_routers(part) for part in parts)
