"""From an example to a crop and heatmaps."""
