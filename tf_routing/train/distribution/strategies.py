"""On how many devices, and hosts, a network trains."""

import os
import textwrap
from typing import Any

import keras
import tensorflow as tf

from tf_routing.core.private_apis import all_layers
from tf_routing.support.validation import one_of, positive_integer
from tf_routing.train.distribution.strategy_names import STRATEGIES
from tf_routing.train.distribution.tf_config import read_tf_config


def open_strategy(kind: str = "auto", devices: int | None = None, tpu: str | None = None) -> Any:
    """Returns the `tf.distribute` strategy that spreads each batch over devices.

    Call it before TensorFlow has run anything: it then can still divide the CPU into devices, or meet other hosts.

    Args:
        kind: `"one"` is one device, TensorFlow's default. `"mirrored"` takes several devices of this host.
            `"multiworker"` takes all devices of several hosts, each of which runs the same program with its own
            `TF_CONFIG`. `"tpu"` takes the cores of a TPU. `"auto"` takes several hosts where `TF_CONFIG` is set, else
            all GPUs.
        devices: Integer, for `"mirrored"`. Where there are fewer GPUs, as many parts of the CPU: of no use for speed,
            but the numbers are those of as many GPUs. All GPUs where not given.
        tpu: Name of a TPU, for `"tpu"`.

    Returns:
        A `tf.distribute.Strategy`.

    Raises:
        ValueError: If an argument is not possible, or `TF_CONFIG` is missing or not valid.
        RuntimeError: If TensorFlow runs already, or the TPU does not answer.

    Example:

    >>> open_strategy("one").num_replicas_in_sync
    1
    """
    one_of("strategy", kind, STRATEGIES)
    for name, value, needed in (("devices", devices, "mirrored"), ("tpu", tpu, "tpu")):
        if value is not None and kind != needed:
            raise ValueError(f"`{name}` counts with strategy={needed!r} alone. Received: {name}={value!r}, {kind!r}")
    if kind == "auto":
        kind = _choose_kind()
    if kind == "mirrored":
        return _open_mirrored(devices)
    if kind == "multiworker":
        return _open_multiworker()
    return _open_tpu(tpu) if kind == "tpu" else tf.distribute.get_strategy()


def _choose_kind() -> str:
    if os.environ.get("TF_CONFIG"):
        return "multiworker"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "one"


def _open_mirrored(devices: int | None) -> Any:
    gpus = len(tf.config.list_physical_devices("GPU"))
    if devices is not None:
        positive_integer("devices", devices)
    if gpus and (devices is None or devices <= gpus):
        return tf.distribute.MirroredStrategy([f"GPU:{number}" for number in range(devices or gpus)])
    count = devices or 1
    _divide_cpu(count)
    # The default reduces through memory that parts of one CPU do not have.
    reduction = tf.distribute.ReductionToOneDevice()
    return tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(count)], cross_device_ops=reduction)


def _divide_cpu(count: int) -> None:
    """Divides the CPU into at least this many devices."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if len(tf.config.get_logical_device_configuration(cpu) or [None]) >= count:
        return
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError as error:
        raise RuntimeError(
            f"`devices={count}` comes too late: TensorFlow runs already, with one CPU. Open the strategy before "
            "anything else uses TensorFlow."
        ) from error


def _open_multiworker() -> Any:
    read_tf_config()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise RuntimeError(
            "strategy='multiworker' comes too late: TensorFlow runs already, and meets other hosts only at its start. "
            "Open the strategy before anything else uses TensorFlow."
        ) from error


def _open_tpu(tpu: str | None) -> Any:
    if not tpu:
        raise ValueError("`tpu` must name a TPU where strategy='tpu' ('local' on its own host). Received: tpu=None")
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=tpu)
        if tpu != "local":
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    except (ValueError, RuntimeError, OSError, ImportError, tf.errors.OpError) as error:
        reason = textwrap.shorten(str(error) or type(error).__name__, 160, placeholder=" ...")
        raise RuntimeError(
            f"No TPU answers to tpu={tpu!r}: {reason}. Without a TPU leave `strategy` at 'auto', which takes the GPUs "
            "there are, or the CPU."
        ) from error


def is_chief(strategy: Any) -> bool:
    """Returns whether this host is the one that writes files: always where there is no other."""
    resolver = strategy.cluster_resolver
    config = resolver.cluster_spec().as_dict() if host_count(strategy) > 1 else {}
    return not config or resolver.task_type == "chief" or ("chief" not in config and resolver.task_id == 0)


def host_count(strategy: Any) -> int:
    """Returns on how many hosts a strategy trains, each of which runs the program."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1
    jobs = strategy.cluster_resolver.cluster_spec().as_dict()
    return max(1, sum(map(len, jobs.values())))


def synchronize_batch_norm(model: keras.Model) -> None:
    """Lets batch normalisations take the statistics of the whole batch where several replicas each see a part of it.

    Without, training on several devices gives other numbers than on one. On one device nothing changes. A model that
    was changed loads with TensorFlow only.

    Args:
        model: A model built in the scope of its strategy; models inside its layers are included.

    Example:

    >>> image = keras.Input((8, 8, 3))
    >>> model = keras.Model(image, keras.layers.BatchNormalization(name="norm")(image))
    >>> synchronize_batch_norm(model)
    >>> model.get_layer("norm").synchronized
    False
    """
    if model.distribute_strategy.num_replicas_in_sync == 1:
        return
    for layer in all_layers(model):
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = True
