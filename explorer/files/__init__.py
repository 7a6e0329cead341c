"""Where things lie on disk, and how they are written there: whole or not at all."""
