"""Figures that `tf-routing figures` draws from finished runs, trained networks and datasets."""
