"""Charts of the gates of multi-path networks."""
