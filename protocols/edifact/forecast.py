"""DELFOR and the forecast in it, both ways, by the profile of the partner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal

from protocols.edifact.content import Firmness, Forecast, ForecastLine, ForecastQuantity
from protocols.edifact.delfor import (
    Delfor,
    ItemsGroup,
    LineGroup,
    PartyGroup,
    QuantityGroup,
    ScheduleGroup,
)
from protocols.edifact.deljit import ReferenceGroup
from protocols.edifact.interchange import Message
from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.profile import EdiProfile, code_for
from protocols.edifact.reading import ContentReader, date_of, party_of
from protocols.edifact.segments import (
    Bgm,
    Dtm,
    Gis,
    ItemNumber,
    Lin,
    Loc,
    Nad,
    Pia,
    Qty,
    Rff,
    Scc,
)
from protocols.edifact.times import write_days, write_time


def read_forecast(message: Message, profile: EdiProfile) -> Forecast:
    """The forecast of a DELFOR. Raises `EdifactError` with all that is wrong with it."""
    return _ForecastReader(Delfor.read(message), profile, message.reference).read()


def write_forecast(forecast: Forecast, profile: EdiProfile) -> Delfor:
    """The DELFOR of a forecast. Raises `EdifactError` for what the partner has no code for."""
    return _ForecastWriter(forecast, profile).write()


def reference_of(groups: Iterable[ReferenceGroup], qualifier: str) -> str:
    """The first reference of a kind, or nothing."""
    return next((each.rff.number for each in groups if each.rff.qualifier == qualifier), "")


class _ForecastReader(ContentReader):
    def __init__(self, message: Delfor, profile: EdiProfile, reference: str) -> None:
        super().__init__(profile, reference)
        self.message = message
        self.codes = profile.delfor

    def read(self) -> Forecast:
        message, codes = self.message, self.codes
        function = self.heading(message.bgm, codes.functions)
        issued_at = self.issued(message.bgm, message.dates, codes.issued)
        start = self.days(date_of(message.dates, codes.horizon_start))
        end = self.days(date_of(message.dates, codes.horizon_end))
        lines = tuple(self._lines())
        if self.problems or function is None or issued_at is None:
            self.refuse()
        return Forecast(
            document_no=message.bgm.number,
            previous_no=reference_of(message.references, codes.previous),
            function=function,
            issued_at=issued_at,
            horizon_start=start and start[0],
            horizon_end=end and end[1],
            customer=party_of(message.parties, codes.customer),
            supplier=party_of(message.parties, codes.supplier),
            lines=lines,
        )

    def _lines(self) -> Iterator[ForecastLine]:
        for items in self.message.items:
            places = items.party.places if items.party else ()
            for group in items.lines:
                yield self._line(group, places)

    def _line(self, group: LineGroup, around: Sequence[Loc]) -> ForecastLine:
        codes = self.codes
        if group.lin.part_kind != codes.part or not group.lin.part:
            self.missing(group.lin, f"the part number (C212 of {codes.part})")
        for party in group.parties:
            self.wrong(party.nad, "quantities by delivery party are not read here",
                        ErrorCode.NOT_SUPPORTED_HERE)  # fmt: skip
        received = self._quantity(group.quantities, codes.cumulative_received)
        last = self._quantity(group.quantities, codes.last_received)
        since = self.days(date_of(received.dates, codes.cumulative_since)) if received else None
        places = [*group.places, *around]
        numbers = [number for pia in group.numbers for number in pia.numbers]
        quantities = tuple(self._required(group))
        units = [each.qty.unit for schedule in group.schedules for each in schedule.quantities]
        return ForecastLine(
            part_no=group.lin.part,
            supplier_part_no=next((n.number for n in numbers if n.kind == codes.supplier_part), ""),
            unit=next(iter(units), "") or (received.qty.unit if received else ""),
            unloading_point=next(
                (loc.place for loc in places if loc.qualifier == codes.unloading_point), ""
            ),
            order_no=reference_of(group.references, codes.order),
            cumulative_since=since and since[0],
            cumulative_received=received and received.qty.quantity,
            last_received=last and last.qty.quantity,
            last_despatch_no=reference_of(last.references, codes.last_despatch) if last else "",
            quantities=quantities,
        )

    def _required(self, group: LineGroup) -> Iterator[ForecastQuantity]:
        for schedule in group.schedules:
            firmness = self.codes.firmness.get(schedule.scc.status)
            if firmness is None:
                known = ", ".join(self.codes.firmness)
                self.wrong(schedule.scc, f"status (4017) {schedule.scc.status!r} is not one of "
                            f"{known}")  # fmt: skip
                continue
            yield from self._of_schedule(schedule, firmness)

    def _of_schedule(
        self, schedule: ScheduleGroup, firmness: Firmness
    ) -> Iterator[ForecastQuantity]:
        """A cumulative quantity stands behind the required one it is the sum up to."""
        last: ForecastQuantity | None = None
        for each in schedule.quantities:
            if each.qty.qualifier == self.codes.cumulative_required and last:
                last = last.model_copy(update={"cumulative": each.qty.quantity})
            elif each.qty.qualifier == self.codes.required:
                if last:
                    yield last
                last = self._period(each, firmness)
        if last:
            yield last

    def _period(self, group: QuantityGroup, firmness: Firmness) -> ForecastQuantity | None:
        found = date_of(group.dates, self.codes.period)
        if found is None:
            self.missing(group.qty, f"its period (DTM {self.codes.period})")
        days = self.days(found)
        if days is None:
            return None
        return ForecastQuantity(
            firmness=firmness, quantity=group.qty.quantity, start=days[0], end=days[1]
        )

    def _quantity(self, groups: Iterable[QuantityGroup], qualifier: str) -> QuantityGroup | None:
        return next((each for each in groups if each.qty.qualifier == qualifier), None)


class _ForecastWriter:
    def __init__(self, forecast: Forecast, profile: EdiProfile) -> None:
        self.forecast = forecast
        self.profile = profile
        self.codes = profile.delfor

    def write(self) -> Delfor:
        forecast, codes = self.forecast, self.codes
        function = code_for(forecast.function, codes.functions)
        if function is None:
            raise EdifactError(
                Problem(f"{self.profile.name} has no code for a forecast to {forecast.function}")
            )
        form = self.profile.time_form
        issued = write_time(forecast.issued_at, form, self.profile.zone)
        dates = [Dtm(qualifier=codes.issued, text=issued, form=form)]
        dates += self._day(codes.horizon_start, forecast.horizon_start)
        dates += self._day(codes.horizon_end, forecast.horizon_end)
        parties = ((codes.customer, forecast.customer), (codes.supplier, forecast.supplier))
        lines = tuple(self._line(at, line) for at, line in enumerate(forecast.lines, start=1))
        return Delfor(
            bgm=Bgm(document=codes.document, number=forecast.document_no, function=function),
            dates=tuple(dates),
            references=self._references(codes.previous, forecast.previous_no),
            parties=tuple(
                PartyGroup(nad=Nad(qualifier=q, party=party)) for q, party in parties if party
            ),
            items=(ItemsGroup(gis=Gis(indicator=codes.list_indicator), lines=lines),)
            if lines
            else (),
        )

    def _line(self, at: int, line: ForecastLine) -> LineGroup:
        codes = self.codes
        numbers = (ItemNumber(number=line.supplier_part_no, kind=codes.supplier_part),)
        return LineGroup(
            lin=Lin(line=str(at), part=line.part_no, part_kind=codes.part),
            numbers=(Pia(function="1", numbers=numbers),) if line.supplier_part_no else (),
            places=(Loc(qualifier=codes.unloading_point, place=line.unloading_point),)
            if line.unloading_point
            else (),
            references=self._references(codes.order, line.order_no),
            quantities=tuple(self._received(line)),
            schedules=tuple(self._schedules(line)),
        )

    def _received(self, line: ForecastLine) -> Iterator[QuantityGroup]:
        codes = self.codes
        if line.cumulative_received is not None:
            yield QuantityGroup(
                qty=Qty(qualifier=codes.cumulative_received, quantity=line.cumulative_received,
                        unit=line.unit),
                dates=tuple(self._day(codes.cumulative_since, line.cumulative_since)),
            )  # fmt: skip
        if line.last_received is not None:
            yield QuantityGroup(
                qty=Qty(qualifier=codes.last_received, quantity=line.last_received, unit=line.unit),
                references=self._references(codes.last_despatch, line.last_despatch_no),
            )

    def _schedules(self, line: ForecastLine) -> Iterator[ScheduleGroup]:
        for each in line.quantities:
            status = next((c for c, f in self.codes.firmness.items() if f is each.firmness), None)
            if status is None:
                raise EdifactError(
                    Problem(f"{self.profile.name} has no code for {each.firmness} quantities")
                )
            text, form = write_days(each.start, each.end)
            period = Dtm(qualifier=self.codes.period, text=text, form=form)
            groups = [
                QuantityGroup(qty=self._qty(self.codes.required, each.quantity, line.unit),
                              dates=(period,))
            ]  # fmt: skip
            if each.cumulative is not None:
                qty = self._qty(self.codes.cumulative_required, each.cumulative, line.unit)
                groups.append(QuantityGroup(qty=qty))
            yield ScheduleGroup(scc=Scc(status=status), quantities=tuple(groups))

    @staticmethod
    def _qty(qualifier: str, quantity: Decimal, unit: str) -> Qty:
        return Qty(qualifier=qualifier, quantity=quantity, unit=unit)

    @staticmethod
    def _day(qualifier: str, day: date | None) -> list[Dtm]:
        if day is None:
            return []
        text, form = write_days(day, day)
        return [Dtm(qualifier=qualifier, text=text, form=form)]

    @staticmethod
    def _references(qualifier: str, number: str) -> tuple[ReferenceGroup, ...]:
        return (ReferenceGroup(rff=Rff(qualifier=qualifier, number=number)),) if number else ()
