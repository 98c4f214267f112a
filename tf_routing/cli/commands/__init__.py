"""The commands of `tf-routing`, one file each: `add_options` and `run`."""
