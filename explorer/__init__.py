"""Pruning Explorer: what a convolutional network loses as its channels are pruned."""

import os

# Threads that wait for work spin before they sleep. Long spinning slows down whatever shares the cores (two trainings
# at once: 110 ms a batch against 46 ms), none at all makes a network of many small steps wait for its threads to wake
# (the oracle: 2.4 s against 2.1 s). OpenMP reads this when torch is first imported, which every module of the package
# does after this one; GNU's counts the turns, the others know the policy alone.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
