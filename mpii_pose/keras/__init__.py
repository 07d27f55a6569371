"""Heatmaps, loss and metric inside Keras models."""
