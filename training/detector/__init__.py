"""Training of the word detector: network, loss, trainer, export."""
