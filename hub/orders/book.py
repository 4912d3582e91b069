"""A day's orders as they come from a file, before anything is stored."""

from __future__ import annotations

from dataclasses import dataclass

from hub.sequencing.model import NO_RULES, Car, Instance, Rules


@dataclass(frozen=True, slots=True)
class Order:
    """One car that a customer wants."""

    production_no: str
    model: str
    colour: str
    options: frozenset[str]
    vin: str | None = None


@dataclass(frozen=True, slots=True)
class OrderBook:
    """A day of orders, in the order they were given in."""

    source: str
    """File or folder they came from; names the book in its plant."""
    checksum: str
    """SHA-256 of what was read, so that a repeated import is known as one."""
    orders: tuple[Order, ...]
    rules: Rules = NO_RULES
    yesterday: tuple[Car, ...] = ()

    @property
    def option_names(self) -> list[str]:
        """All options the day knows, sorted: those ordered, and those a rule speaks of."""
        ordered = {option for order in self.orders for option in order.options}
        return sorted(ordered | {ratio.option for ratio in self.rules.ratios})

    def instance(self) -> Instance:
        """The day as it is sequenced."""
        cars = tuple(Car(o.production_no, o.colour, o.options) for o in self.orders)
        return Instance(cars, self.rules, self.yesterday)
