"""Pruning Explorer: what a convolutional network loses as its channels are pruned."""

import os

# Idle threads that spin slow down whatever shares the cores with them (measured on two busy cores: 364 ms a batch
# against 108 ms). OpenMP reads this when torch is first imported, and every module of the package comes after this one.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Large tensors in pages of 2 MB, where the system has them: less time goes into pages that are touched for the first
# time (measured on the oracle's 330 MB: 3.0 s against 2.8 s). PyTorch reads this as it allocates.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
