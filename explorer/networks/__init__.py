"""Architectures, checkpoints and their cards, evaluation, and a network's traced graph."""
