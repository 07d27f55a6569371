"""A release of synthetic people in the layout of the official one."""

from mpii_pose.synthetic.release import write_release

__all__ = ["write_release"]
