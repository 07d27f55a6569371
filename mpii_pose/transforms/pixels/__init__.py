"""The two things that touch pixels: reading a window of an image, and warping it."""
