"""Functions that make one model out of another: calibrated, folded, widened."""
