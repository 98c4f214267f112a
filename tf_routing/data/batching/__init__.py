"""Turns images into batches for training and evaluation, repeatably: a seed and a step decide what a batch holds."""
