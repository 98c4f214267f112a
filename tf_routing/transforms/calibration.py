"""Calibrates routers without training, so that gated parts run on a given share of the images."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tf_routing.core.graph import run_calls
from tf_routing.core.protocols import HasThresholds
from tf_routing.core.tensors import Images
from tf_routing.support.notices import warn
from tf_routing.support.validation import first_few, is_number

if TYPE_CHECKING:
    import numpy as np

    from tf_routing.models import RoutedModel

_LISTED = 10


class CalibratedGate(NamedTuple):
    """How often a gate opens after `calibrate`.

    Args:
        gate: Name of the decision, with the index of the choice where there are several: `controller_1[0]`.
        wanted: Float, the share of images that was asked for.
        reached: Float, the share for which the gate opens; at a junction the share that goes on. NaN where no image
            comes.
        images: Integer, the number of images that come to it.
        tied: Integer, the number of images of one score among which the threshold would have to lie; 0 where it fits
            between two scores.
        least: Float, the least share that the gate can open on.

    Example:

    >>> CalibratedGate("junction_1", wanted=0.5, reached=0.0, images=40, tied=40, least=0.0).is_missed
    True
    """

    gate: str
    wanted: float
    reached: float
    images: int
    tied: int
    least: float

    @property
    def is_missed(self) -> bool:
        """Whether more or fewer images pass than the share that was asked for, as near as their number allows."""
        if not self.images:
            return self.wanted > 0
        return round(self.reached * self.images) != round(self.wanted * self.images)

    def __str__(self) -> str:
        if self.tied:
            reason = f" ({self.tied} of {self.images} images have the same score, which no threshold tells apart)"
        else:
            reason = f" (one of its parts always runs, so {self.least:.3g} is the least)" if self.least else ""
        return f"{self.gate} reached {self.reached:.3g}{reason}"


def calibrate(model: "RoutedModel", images: Images, rate: float) -> list[CalibratedGate]:
    """Shifts the thresholds of the routers of a gated model so that every gate opens on a share of the images.

    The routers stay and go on deciding per image. They are shifted in order of depth, since a router sees only images
    that those before it let through. Tests and benchmarks of execution get a known share of executed parts this way,
    with decisions that differ between images.

    Where a stage halts, an image that halted comes to no later unit: of equal shares, gates that follow each other open
    on the same images.

    A share can be missed: images that score alike fall on one side together, as all do in an early-exit network that
    is not trained. A warning then lists the gates.

    Args:
        model: A model with routers, such as a dynamic multi-path network. It is changed.
        images: Images `(count, height, width, channels)`, as the model takes them, a dict with more, or batches of
            either, such as a `tf.data.Dataset`, with labels or without. A few dozen to a few hundred, run as one batch;
            shares are as fine as their number.
        rate: Float in [0, 1], the share of images for which every gate is to open, forced switches included; at a
            junction the share that goes on, of those that come there.

    Returns:
        List of `CalibratedGate`, the shares that gates reached, in order of depth.

    Raises:
        ValueError: If the model has no routers, `rate` is outside [0, 1], these are no images of the model, there are
            none, or one holds NaN.

    Example:

    >>> import numpy as np
    >>> from tf_routing import zoo
    >>> model = zoo.get("dmnn50_cifar_n2", width_multiplier=0.125)
    >>> images = np.random.default_rng(0).uniform(size=(10, 32, 32, 3))
    >>> gates = calibrate(model, images, rate=0.3)
    >>> gates[-1].gate, gates[-1].reached
    ('controller_16[1]', 0.3)
    >>> [round(float(share), 2) for share in model.routes(images)["controller_16"].mean(axis=0)]
    [0.3, 0.3]
    """
    from tf_routing.core.model_arguments import require_graph_model
    from tf_routing.models.budgets.thresholds import find_routers

    if not is_number(rate) or not 0 <= rate <= 1:
        raise ValueError(f"`rate` must be in [0, 1]. Received: rate={rate!r}")
    if not find_routers(require_graph_model(model)):
        raise ValueError(f"`model` must have routers with thresholds; {model.name!r} has none.")
    gates: list[CalibratedGate] = []
    _shift_and_run(model, _prepare_inputs(model, images), float(rate), "", gates)
    _warn_of_missed([gate for gate in gates if gate.is_missed], len(gates))
    return gates


def _prepare_inputs(model: Any, images: Any) -> list[Any]:
    """Returns all images as one batch, scaled, and the other inputs."""
    import keras

    from tf_routing.core.pixel_values import find_broken_image
    from tf_routing.models.inputs.batches import image_input, to_arrays
    from tf_routing.models.inputs.image_range import warn_of_far_images
    from tf_routing.models.inputs.images import check_images, image_part, scale_bytes, with_images

    given = to_arrays(images, rank=len(image_input(model).shape))
    part = image_part(given)
    if len(part) == 0:
        raise ValueError("`images` must hold at least one image. Received: none")
    check_images(model, given, "images")
    warn_of_far_images(model, given, "images")
    broken = find_broken_image(part)
    if broken is not None:
        raise ValueError(f"`images` must hold finite numbers. Received: NaN or infinity in image {broken}")
    inputs = keras.tree.flatten(with_images(given, scale_bytes(model, part)))
    return [_as_input(value, spec) for value, spec in zip(inputs, model.inputs, strict=True)]


def _as_input(value: Any, spec: Any) -> Any:
    import keras

    tensor = keras.ops.cast(value, spec.dtype)
    # Costs and grey images may come without their last axis.
    return keras.ops.expand_dims(tensor, -1) if len(tensor.shape) == len(spec.shape) - 1 else tensor


def _shift_and_run(model: Any, images: Any, rate: float, prefix: str, gates: list[CalibratedGate]) -> Any:
    """Runs the model once, in order of depth, and shifts every router when its turn comes, before it decides."""
    from tf_routing.execution.layer_calls import call_layer
    from tf_routing.execution.run import Run
    from tf_routing.models import RoutedModel
    from tf_routing.models.budgets.thresholds import find_routers

    # Set as the model is, but nothing is overwritten in place: a router's inputs are read again when it was shifted.
    run = Run(model.executor.settings) if isinstance(model, RoutedModel) else Run()

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if find_routers(layer):
            return _shift_and_run(layer, args[0], rate, f"{prefix}{layer.name}/", gates)
        is_router = isinstance(layer, HasThresholds)
        if is_router:
            layer.shift_thresholds(layer.shifts_for_rate(rate, *args))
        outputs = call_layer(run, False, layer, *args, **kwargs)
        if is_router:
            gates.extend(_measured(layer, prefix + layer.name, args, outputs, rate))
        return outputs

    # One pass: models cut off at their routers would run the first blocks once per router.
    return run_calls(model, images, call)


def _measured(router: Any, name: str, inputs: Any, outputs: Any, rate: float) -> Iterator[CalibratedGate]:
    import keras
    import numpy as np

    comes = router.comes(*inputs)
    taken = router.taken(keras.tree.flatten(outputs))[comes]
    margins = np.asarray(keras.ops.cast(router.margins(*inputs), "float32"))[comes]
    for choice in range(taken.shape[1]):
        gate = name if taken.shape[1] == 1 else f"{name}[{choice}]"
        reached = float(taken[:, choice].mean()) if len(taken) else float("nan")
        tied = _count_tied(margins[:, choice], rate)
        yield CalibratedGate(gate, rate, round(reached, 6), len(taken), tied, router.least_rate)


def _count_tied(margins: "np.ndarray", rate: float) -> int:
    """Returns how many images have the score at which the threshold would have to lie, 0 where one alone has it."""
    ordered = sorted(margins.tolist(), reverse=True)
    positive = round(rate * len(ordered))
    if not 0 < positive < len(ordered) or ordered[positive - 1] != ordered[positive]:
        return 0
    return ordered.count(ordered[positive])


def _warn_of_missed(missed: Sequence[CalibratedGate], count: int) -> None:
    if not missed:
        return
    passed, unseen = [gate for gate in missed if gate.images], [gate for gate in missed if not gate.images]
    parts = [f"`rate` {missed[0].wanted:g} is missed at {len(missed)} of {count} gates"]
    if passed:
        most = max(abs(gate.reached - gate.wanted) for gate in passed)
        parts[0] += f", by up to {most:.3g}: {first_few([str(gate) for gate in passed], _LISTED)}"
    if unseen:
        parts.append(f"no image comes to {first_few([gate.gate for gate in unseen], _LISTED)}")
    warn(f"{'; '.join(parts)}.")
