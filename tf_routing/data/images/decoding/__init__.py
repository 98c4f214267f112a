"""Encoded pictures of any size become images, in training, evaluation and serving alike. TensorFlow only.

All of it runs in graphs, those of exports among them, so nothing but operations of TensorFlow may be used.

"""
