"""Decoding of heatmaps and PCKh, as each code base computes it."""
