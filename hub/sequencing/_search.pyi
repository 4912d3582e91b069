from array import array
from typing import Literal

from hub.sequencing._plant import Plant

Kind = Literal["swap", "insert", "reverse", "exchange"]

MAX_RATIOS: int
LOAD_AT_MOST: int

class Line:
    cost: float
    best_cost: float
    priced: int
    refused_early: int
    to_the_end: bool
    made: int
    def __init__(
        self,
        options: memoryview,
        colours: array[int],
        tail: int,
        most: array[int],
        window: array[int],
        weight: array[float],
        colour_weight: float,
        batch_limit: int,
        cut_windows: bool,
        seed: int,
        plant: Plant | None = None,
    ) -> None: ...
    def anneal(
        self, moves: int, temperature: float, swaps: int, insertions: int, exchanges: int = 0
    ) -> None: ...
    def hold(self, fixed: int) -> None: ...
    def back_to_best(self) -> None: ...
    def best_order(self) -> list[int]: ...
    def order(self) -> list[int]: ...
    def evaluate(self) -> float: ...
    def price(self, kind: Kind, a: int, b: int, c: int = 0) -> float: ...
    def move(self, kind: Kind, a: int, b: int, c: int = 0) -> float: ...
    def trouble(self, place: int) -> list[tuple[int, float]]: ...
