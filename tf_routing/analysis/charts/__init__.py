"""Charts of what `analysis` computes, in one style."""
