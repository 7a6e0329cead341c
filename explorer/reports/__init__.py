"""A lab report in one download: facts gathered from answers, written in a language, and bound as files."""
