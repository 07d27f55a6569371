"""A drawn release in the layout of the official one."""

from mpii_pose.synthetic.release import write_release

__all__ = ["write_release"]
