"""Scores of keypoints: PCKh and its intervals, kinds of errors, offsets, AP."""
