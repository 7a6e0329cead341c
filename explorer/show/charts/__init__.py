"""Altair charts for the screen, from plain tables and arrays; `figures` draws for print.

Colours come by position from the theme's palette (Okabe and Ito's), so a chart follows light and dark by itself:
first what is kept or current, second what is pruned. Colour is never the only signal: dash, shape, a hollow bar
or a cross says the same again.
"""

from explorer.show.charts.axis import HEIGHT, SIDE, pruning_axis
from explorer.show.charts.channels import channel_bars
from explorer.show.charts.classes import class_bars, confusion_map
from explorer.show.charts.comparison import compare_curves, up_to, zoomable_curves
from explorer.show.charts.compression import accuracy_against_macs, before_after_bars, recovery_steps
from explorer.show.charts.curve import accuracy_curve, empty_curve
from explorer.show.charts.guesses import guess_chart
from explorer.show.charts.layers import layer_bars
from explorer.show.charts.network import network_drawing
from explorer.show.charts.parts import AXES, KEPT, MANY, PRUNED, Chart, stated
from explorer.show.charts.sensitivity import sensitivity_curves, sensitivity_map
from explorer.show.charts.training import training_curve

__all__ = [
    "AXES",
    "KEPT",
    "MANY",
    "PRUNED",
    "SIDE",
    "Chart",
    "accuracy_against_macs",
    "accuracy_curve",
    "before_after_bars",
    "channel_bars",
    "class_bars",
    "compare_curves",
    "confusion_map",
    "empty_curve",
    "guess_chart",
    "layer_bars",
    "network_drawing",
    "HEIGHT",
    "pruning_axis",
    "recovery_steps",
    "sensitivity_curves",
    "sensitivity_map",
    "stated",
    "training_curve",
    "up_to",
    "zoomable_curves",
]
