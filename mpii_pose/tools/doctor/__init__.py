"""Says what is wrong with an installation or with a copy of the release, in words."""
