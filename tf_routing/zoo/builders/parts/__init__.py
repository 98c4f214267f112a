"""What builders have in common: layers put together, and the options that say how."""
