"""Layers that own the parts a decision chooses between, and the convolutions of such parts."""
