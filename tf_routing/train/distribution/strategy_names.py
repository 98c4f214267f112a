"""Names of the ways to spread training over devices, known without importing TensorFlow."""

STRATEGIES = ("auto", "one", "mirrored", "multiworker", "tpu")
