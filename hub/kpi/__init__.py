"""Key figures of the plant and its suppliers, each down to the calls, racks and stops behind it."""

from hub.kpi.adherence import AdherenceGroup, CarBehind, adherence, cars_behind
from hub.kpi.figures import FIGURES, Figure, FigureGroup, Row, compute, rows_behind
from hub.kpi.scope import By, Scope

__all__ = [
    "FIGURES",
    "AdherenceGroup",
    "By",
    "CarBehind",
    "Figure",
    "FigureGroup",
    "Row",
    "Scope",
    "adherence",
    "cars_behind",
    "compute",
    "rows_behind",
]
