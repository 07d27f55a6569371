"""Heatmaps, loss and metric inside Keras models.

`keras.models.load_model` finds them in a process that has imported this, or has used
one of their public names, such as `mpii_pose.HeatmapLoss`.
"""

from mpii_pose.keras.heatmaps import HeatmapEncoder as HeatmapEncoder
from mpii_pose.keras.heatmaps import HeatmapLoss as HeatmapLoss
from mpii_pose.keras.heatmaps import SimCCLoss as SimCCLoss
from mpii_pose.keras.pckh import PCKh as PCKh
