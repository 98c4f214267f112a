"""The folder of a training run: its record, its trained network, and what removes it."""
