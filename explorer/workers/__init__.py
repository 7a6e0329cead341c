"""Answers computed by several processes, of this machine or of a cluster, in units that are kept as they finish.

A question is cut into units (`curves`, `layers`), each a few layers over a slice of the images; a pool (`pools`) hands
them to its workers (`work`), and what they give is put together (`units`). Nothing else in the package knows of it.
"""
