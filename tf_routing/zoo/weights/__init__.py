"""Where the weights of `zoo.get(name, weights=...)` come from."""
