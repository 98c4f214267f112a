"""Layers that hold the sub-networks a decision chooses between, and the convolutions these are made of."""
