"""Hyper-parameter search over loss weights, margins, temperatures and learning rates, with Keras Tuner."""
