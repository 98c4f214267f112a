"""Turns encoded images of any size into tensors, in training, evaluation and serving alike.

All of it runs in graphs, those of exports among them: nothing but operations of TensorFlow may be used.
"""
