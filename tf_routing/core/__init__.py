"""What layers, models and executors share: the graph of a model, replicas, precision."""
