"""Looks for defects of the annotations and shows them."""
