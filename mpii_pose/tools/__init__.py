"""The commands of `python -m mpii_pose`, each a thin layer over public functions."""
