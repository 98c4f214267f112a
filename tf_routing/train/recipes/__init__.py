"""Recipes: the settings of a training as TOML files, and what reads and checks them."""
