"""Every K at once: the cut network, the sweep, the greedy oracle, and the scan of layers."""
