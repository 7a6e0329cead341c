"""Which channels go (criteria, activations) and what zeroing them means (modes): the slow truth."""
