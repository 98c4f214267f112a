"""Charts of networks that leave early."""
