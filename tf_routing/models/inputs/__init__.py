"""What a `RoutedModel` accepts as images, and what it says to anything else."""
