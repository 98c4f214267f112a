"""One module per family of networks, each with a function `build`, and the parts they share."""
