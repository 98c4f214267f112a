"""ONNX files in which every branch runs, converted by tf2onnx from what TensorFlow traced."""

from typing import Any

from tf_routing.exporting.masked_run import running_masked
from tf_routing.exporting.onnx_writing.graph import OPSET


def convert_masked(model: Any) -> Any:
    """Returns the file of a model that runs every branch, an `onnx.ModelProto`: it gives `probabilities` alone.

    Args:
        model: A `RoutedModel`.

    Raises:
        Exception: Whatever the converter meets; each means that it does not know how to write this model.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx

    from tf_routing.exporting.model_inputs import ModelInputs

    inputs = ModelInputs(model)
    specs = inputs.specs()

    def classify(images: Any, *values: Any) -> dict[str, Any]:
        """Class probabilities of float images. Indices of classes are left out: ONNX has no `argmax` as exported."""
        return {"probabilities": model(inputs.join(images, *values), training=False)}

    function = tf.function(classify, input_signature=specs, autograph=False)
    with running_masked(model):
        proto, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=OPSET)
        _add_constants(proto, function.get_concrete_function(*specs))
    onnx.checker.check_model(proto)
    return proto


def _add_constants(proto: Any, traced: Any) -> None:
    """Writes what the converter took for inputs into a file: tensors that a function reads without being given them.

    The mean and the variance of a `Normalization` are such.
    """
    import onnx

    inputs = {each.name: each for each in proto.graph.input}
    for value, captured in traced.graph.captures:
        if captured.name in inputs:
            proto.graph.initializer.append(onnx.numpy_helper.from_array(value.numpy(), captured.name))
            proto.graph.input.remove(inputs[captured.name])
