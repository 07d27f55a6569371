"""Annotations and predictions in the formats other tools and MPII read."""
