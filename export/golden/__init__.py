"""Golden vectors: inputs and outputs of every stage as files that any language can read (tests/golden/README.md)."""
