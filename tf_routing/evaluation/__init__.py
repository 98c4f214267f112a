"""What a trained network is worth: accuracy, what its routes execute, how long it takes."""
