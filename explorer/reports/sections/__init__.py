"""The sections of a report: each a function of the writer that yields its blocks."""
