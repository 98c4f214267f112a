"""Charts of the numbers that `analysis` computes, in one style."""
