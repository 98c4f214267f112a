"""Experiments that train several variants of a network and compare them."""
