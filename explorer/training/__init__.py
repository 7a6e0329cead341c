"""Recipes, the training loop, and the queue of trainings."""
