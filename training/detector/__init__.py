"""Training of the word detector."""
