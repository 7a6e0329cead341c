"""Pruning Explorer: what a convolutional network loses as its channels are pruned."""

import os

# Idle threads that spin slow down whatever shares the cores with them (measured on two busy cores: 364 ms a batch
# against 108 ms). OpenMP reads this when torch is first imported, and every module of the package comes after this one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
