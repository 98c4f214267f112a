"""Writes networks as ONNX graphs that skip: one module per kind of layer, and one for the whole file."""
