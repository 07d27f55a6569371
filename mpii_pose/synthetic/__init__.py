"""A drawn release in the layout of the official one."""
