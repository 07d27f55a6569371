"""Examples in an endless or a fixed order: what a training loop reads."""
