"""Training on several devices and hosts: strategies, batches and values of replicas, lost workers."""
