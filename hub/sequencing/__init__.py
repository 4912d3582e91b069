"""Sequencing: what a day's order of cars costs, how well it was kept, and the calls it becomes."""

from hub.sequencing.adherence import Adherence, adherence_of
from hub.sequencing.explode import BillOfMaterial, BomRule, CallLine
from hub.sequencing.model import Car, Instance, InstanceError, Ratio, Rules
from hub.sequencing.scoring import Score, score
from hub.sequencing.sequence import PearlChain, make_sequence

__all__ = [
    "Adherence",
    "BillOfMaterial",
    "BomRule",
    "CallLine",
    "Car",
    "Instance",
    "InstanceError",
    "PearlChain",
    "Ratio",
    "Rules",
    "Score",
    "adherence_of",
    "make_sequence",
    "score",
]
