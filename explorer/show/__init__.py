"""Charts, figures and pictures, from plain tables and arrays."""
