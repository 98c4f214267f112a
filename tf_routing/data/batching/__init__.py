"""Batches of images and labels, in an order that a seed decides."""
