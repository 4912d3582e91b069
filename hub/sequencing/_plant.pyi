from array import array

class Limits:
    def __init__(
        self,
        low: array[int],
        high: array[int],
        first: array[int],
        second: array[int],
        places: array[int],
        in_order: array[int],
    ) -> None: ...

class Dues:
    def __init__(self, start: array[int], end: array[int]) -> None: ...

class Levels:
    def __init__(self, start: array[int], listed: array[int], parts: int, tail: int) -> None: ...
    def goal_chased(self) -> list[int]: ...

class Plant:
    def __init__(
        self,
        kind: array[int],
        limits: Limits | None,
        dues: Dues | None,
        due_weight: float,
        levels: Levels | None,
        level_weight: float,
    ) -> None: ...
