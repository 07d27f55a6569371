"""Heatmaps, loss and metric inside Keras models.

Importing this registers them, so that `keras.models.load_model` finds them.
"""

from mpii_pose.keras.heatmaps import HeatmapEncoder as HeatmapEncoder
from mpii_pose.keras.heatmaps import HeatmapLoss as HeatmapLoss
from mpii_pose.keras.pckh import PCKh as PCKh
