"""Random crops, shifts and mirrored images, on TensorFlow and in NumPy."""
