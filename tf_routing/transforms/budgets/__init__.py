"""Finds the thresholds at which a model meets budgets of computation."""
