"""The one door for a question: an experiment in, a kept or a computed answer out."""
