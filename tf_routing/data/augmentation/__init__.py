"""Random shifts and mirror images, in TensorFlow and in NumPy."""
