"""Hyper-parameter search over loss weights, temperatures and learning rates, with keras-tuner."""
