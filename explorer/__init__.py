"""Pruning Explorer: what a convolutional network loses when its least active channels go."""
