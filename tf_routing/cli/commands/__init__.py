"""The commands of `tf-routing`, one file each: `add_options` adds a command's options, `run` does what they say."""
