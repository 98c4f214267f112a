"""The pictures that `tf-routing figures` draws from finished runs."""
