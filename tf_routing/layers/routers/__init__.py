"""Layers that decide: they read a tensor and return weights or 0/1 switches, and nothing else."""
