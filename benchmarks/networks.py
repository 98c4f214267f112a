"""The networks that the benchmarks compare, all with batch normalisation folded and fed the same photographs."""

from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

SIZE, SMALL, CLASSES, SEED = 224, 32, 1000, 0
_IMAGES = 64
_DATASET = "imagenette224/subset"
_SHAPE: dict[str, Any] = {
    "stage_blocks": (3, 4, 6, 3),
    "classes": CLASSES,
    "input_shape": (SIZE, SIZE, 3),
    "include_top": True,
    "pooling": None,
    "classifier_activation": "softmax",
}


def photographs(size: int = SIZE) -> np.ndarray:
    """Returns the images that every network sees, from the folder of TensorFlow Datasets: of 224 or of 32 pixels."""
    from tf_routing import data
    from tf_routing.data.batching.pipelines import first_images

    if size == SMALL:
        return first_images(data.load("cifar100").test, 8 * _IMAGES)[0]
    return first_images(data.load(_DATASET).sized(size).test, _IMAGES)[0]


def calibrated(sub_blocks: int, rate: float, images: np.ndarray) -> Any:
    """Returns a DMNN-50 for images of this size, with random weights; its gates open on a share of the images."""
    import keras

    import tf_routing
    from tf_routing.zoo.arguments.builder_arguments import call_builder
    from tf_routing.zoo.builders.split_resnet import build

    keras.utils.set_random_seed(SEED)
    # The builder, not a name: the stem follows from the size of the images.
    shape = {**_SHAPE, "input_shape": images.shape[1:], "stem": "cifar" if images.shape[1] == SMALL else "imagenet"}
    model = call_builder(build, {**shape, "sub_blocks": sub_blocks, "name": f"dmnn50_n{sub_blocks}"})
    tf_routing.calibrate(model, images[:_IMAGES], rate=rate)
    return tf_routing.fold_batch_norm(model)


def calibrated_to_skip(rate: float, images: np.ndarray) -> Any:
    """Returns a DRN ResNet-110 with random weights, whose routers run each block for a share of the images."""
    import keras

    import tf_routing
    from tf_routing import zoo

    keras.utils.set_random_seed(SEED)
    model = with_offsets(zoo.get("drn_resnet110"))
    tf_routing.calibrate(model, images, rate=rate)
    return tf_routing.fold_batch_norm(model)


def executed_share(model: Any, images: np.ndarray) -> float:
    """Returns the mean executed MACs of a network as a share of ResNet-50's."""
    return float(np.mean(model.cost(images))) / _resnet50().static_cost


def shortened(model: Any, images: np.ndarray) -> Any:
    """Returns the static CIFAR ResNet whose MACs are nearest to those that a skipping one executes on average."""
    from tf_routing import fold_batch_norm
    from tf_routing.zoo.arguments.builder_arguments import call_builder
    from tf_routing.zoo.builders.cifar_resnet import build

    executed = float(np.mean(model.cost(images)))
    shape = {**_SHAPE, "classes": 10, "input_shape": (SMALL, SMALL, 3)}
    del shape["stage_blocks"]
    depths = [call_builder(build, {**shape, "stack_blocks": n, "name": f"resnet{6 * n + 2}"}) for n in range(3, 18)]
    return fold_batch_norm(with_offsets(min(depths, key=lambda net: abs(net.static_cost - executed))))


def with_offsets(model: Any) -> Any:
    """Returns a network whose batch normalisations add something, as trained ones do: nothing added is left out."""
    import keras

    rng = np.random.default_rng(SEED)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.beta.assign(rng.normal(0.0, 0.1, layer.beta.shape))
    return model


def _resnet50() -> Any:
    from tf_routing import zoo

    return zoo.get("resnet50")


def slimmed(share: float) -> Any:
    """Returns a static ResNet-50 whose inner widths are cut so far that it costs this share of ResNet-50's MACs."""
    from tf_routing import fold_batch_norm
    from tf_routing.zoo.arguments.builder_arguments import call_builder
    from tf_routing.zoo.builders.imagenet_resnet import build

    full = _resnet50().static_cost

    def cut_to(cut: float) -> Any:
        """The network with its inner widths cut to a share."""
        widths = [round(width * cut) for width in (64, 128, 256, 512)]
        return call_builder(build, {**_SHAPE, "inner_widths": widths, "name": "slim"})

    cuts = np.arange(0.3, 1.0, 0.02)
    above = bisect_left(cuts, share, lo=1, hi=len(cuts) - 1, key=lambda cut: cut_to(cut).static_cost / full)
    both = [cut_to(cut) for cut in cuts[above - 1 : above + 1]]
    return fold_batch_norm(min(both, key=lambda model: abs(model.static_cost / full - share)))


def runner(model: Any, images: np.ndarray, way: str, method: str = "auto") -> Callable[[int], Any]:
    """Returns a function of batch size that compiles a Keras model.

    Args:
        model: A folded network, static or gated.
        images: What it runs on.
        way: One of `execution.BATCH_METHODS`, or `"frozen"`: the batch whole, weights as constants.
        method: For gated networks, one of `execution.METHODS`.
    """
    from tf_routing import fold_batch_norm
    from tf_routing.evaluation.network_times import compile_forward
    from tf_routing.execution import gated_blocks
    from tf_routing.execution.batches import run_batch

    freeze = way == "frozen"
    way = "whole" if freeze else way

    def run(x: Any, training: bool) -> Any:
        """A static network, run the ways that a gated one knows."""
        return run_batch(lambda part: model(part, training=training), x, way)

    if not gated_blocks(model):
        return partial(compile_forward, run, images, freeze=freeze)
    # A copy: what is set holds for a model and all its parts.
    own = fold_batch_norm(model)
    own.set_execution("sparse", method, way)
    return partial(compile_forward, own, images, freeze=freeze)


def torch_runner(images: np.ndarray) -> Callable[[int], Any]:
    """Returns a function of batch size that readies torchvision's ResNet-50."""
    import torch
    from torch.fx.experimental.optimization import fuse
    from torchvision.models import resnet50

    torch.manual_seed(SEED)
    model = fuse(resnet50().eval()).to(memory_format=torch.channels_last)
    stock = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(memory_format=torch.channels_last)

    def ready(batch: int) -> Callable[[int], Any]:
        """Readies one batch size."""

        def run(number: int) -> None:
            """Runs one batch."""
            start = number * batch % (len(stock) - batch + 1)
            with torch.inference_mode():
                model(stock[start : start + batch]).numpy()

        return run

    return ready


def has_torch() -> bool:
    """Whether PyTorch and torchvision are installed."""
    return bool(find_spec("torch") and find_spec("torchvision"))
