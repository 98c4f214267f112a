"""Checks of the arguments of `zoo.get`, before anything is built."""
