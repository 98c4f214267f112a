"""The `tf-routing` program."""
