"""Image files and the shards they are written to."""
