"""SavedModel and ONNX exports: the callable root, signatures, decoding of pictures, assets, checks and archives."""
