"""Training: a typed recipe, one readable loop, atomic checkpoints, bit-exact resume."""
