"""Predictions scored: the whole report of one file, and of two compared."""
