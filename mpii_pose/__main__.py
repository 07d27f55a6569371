"""Runs the commands: `python -m mpii_pose --help`."""

import sys

from mpii_pose.tools.main import main

if __name__ == "__main__":
    sys.exit(main())
