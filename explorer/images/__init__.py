"""Data sets, their splits and batches, and random changes to training images."""
