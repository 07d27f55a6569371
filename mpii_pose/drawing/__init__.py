"""Pictures of poses, heatmaps and scores."""
