"""Tags from what an engineering tool exports: sources of data blocks, symbol and tag tables.

    read(text, "press.db", numbers={"Press": 10})  ->  [Symbol("Press.Force", address, comment), …]

Understood are

- `.db`, `.awl`, `.scl`: sources of data blocks and of the types they use, as TIA Portal ("Generate
  source from blocks") and STEP 7 write them. Offsets follow from the declaration, by the rules of
  blocks that are not optimized ("SIMATIC Programming with STEP 7", "Storage of arrays and
  structures"): a BOOL takes the next bit, what has one byte the next byte, the rest begins at an
  even byte; structures and arrays begin and end at even bytes;
- `.sdf`: the symbol table of STEP 7 and the tag table of TIA Portal, quoted fields by comma;
- `.csv`: a table with a head, whose columns are named as TIA Portal names them: Name, Data Type,
  Logical Address, Comment; also `Address`, `Type`.

Each error says file, line and what to do, and all are found at once.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from protocols.s7.address import MOST_BYTES, Address, AddressError, parse
from protocols.s7.types import ALIASES, TEXTS, TYPES, text_size

MOST_SYMBOLS = 100_000
"""Of one file; more is a mistake, such as an array of arrays nobody meant."""
_TYPE_ALIASES = {**ALIASES, "DATE_AND_TIME": "DT"}
_EVEN = 2


@dataclass(frozen=True, slots=True)
class Symbol:
    """A value that has a name."""

    name: str
    """With its block and structures: Press.Station.Force."""
    address: Address
    comment: str
    line: int


class SymbolsError(ValueError):
    """The file cannot be used; `problems` has each reason with file and line."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class _ProblemError(ValueError):
    def __init__(self, line: int, what: str) -> None:
        self.line = line
        super().__init__(what)


def read(text: str, file: str, *, numbers: Mapping[str, int] | None = None) -> list[Symbol]:
    """The symbols of a file, told by the end of its name. `numbers` gives the number of each data
    block that the source calls by a name. Raises `SymbolsError`."""
    kind = PurePath(file).suffix.lower()
    readers = {".db": _blocks, ".awl": _blocks, ".scl": _blocks, ".sdf": _sdf, ".csv": _csv}
    if kind not in readers:
        raise SymbolsError([f"{file}: ends in none of {', '.join(readers)}; export it as one"])
    found: list[Symbol] = []
    problems: list[str] = []
    for each in readers[kind](text, dict(numbers or {})):
        if isinstance(each, Symbol):
            found.append(each)
        else:
            problems.append(f"{file}:{each.line}: {each}")
        if len(found) > MOST_SYMBOLS:
            raise SymbolsError([f"{file}: has more than {MOST_SYMBOLS} values; export less"])
    if not found and not problems:
        problems.append(f"{file}: has no symbols")
    if problems:
        raise SymbolsError(problems)
    return found


# Sources of blocks.

_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|\(\*.*?\*\)|\{[^}]*\})|(?P<string>'(?:\$.|[^'$])*')"""
    r"""|(?P<name>"[^"\n]*"|[A-Za-z_][A-Za-z0-9_]*)|(?P<number>\d[\w#.]*)|(?P<sign>:=|\.\.|[^\s])""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    comment: str = ""

    @property
    def word(self) -> str:
        return self.text.upper()


@dataclass(slots=True)
class _Node:
    """A declared type: an elementary one, a structure, an array of either."""

    type: str = ""
    chars: int = 0
    fields: tuple[tuple[str, _Node, str, int], ...] = ()
    bounds: tuple[tuple[int, int], ...] = ()
    named: str = ""
    """Name of a type that is declared elsewhere."""
    line: int = 0


def _blocks(text: str, numbers: dict[str, int]) -> Iterator[Symbol | _ProblemError]:
    reader = _Reader(list(_tokens(text)))
    try:
        yield from reader.read(numbers)
    except _ProblemError as problem:
        yield problem
    except RecursionError:
        yield _ProblemError(1, "structures lie deeper in one another than can be read")


def _tokens(text: str) -> Iterator[_Token]:
    line, at = 1, 0
    last: _Token | None = None
    for found in _TOKEN.finditer(text):
        line += text.count("\n", at, found.start())
        at = found.start()
        if found["comment"] is None or found[0].startswith("{"):
            if last is not None:
                yield last
            last = _Token(found[0], line)
        elif found[0].startswith("//") and last is not None and last.line == line:
            last = _Token(last.text, last.line, found[0][2:].strip())
    if last is not None:
        yield last


class _Reader:
    """Reads declarations; forgives what does not concern the layout."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._types: dict[str, _Node] = {}
        self._steps = 0

    def read(self, numbers: dict[str, int]) -> Iterator[Symbol | _ProblemError]:
        blocks = []
        while self._at < len(self._tokens):
            word = self._next().word
            if word == "TYPE":
                name = _bare(self._next().text)
                self._types[name.upper()] = self._body("END_TYPE")
            elif word == "DATA_BLOCK":
                blocks.append(self._block(numbers))
        for name, number, optimized, body in blocks:
            if isinstance(number, _ProblemError):
                yield number
                continue
            if optimized:
                what = f"block {name} is optimized, so its values have no addresses"
                remedy = "take the tick from 'optimized block access', and export it again"
                yield _ProblemError(body.line, f"{what}; {remedy}")
                continue
            try:
                yield from self._layout(name, number, body)
            except _ProblemError as problem:
                yield problem

    def _block(self, numbers: dict[str, int]) -> tuple[str, int | _ProblemError, bool, _Node]:
        head = self._next()
        name = _bare(head.text)
        if name.upper() == "DB" and self._peek().text.isdigit():
            name = f"DB{self._next().text}"
        number: int | _ProblemError
        if (given := re.fullmatch(r"(?i)db(\d+)", name)) is not None:
            number = int(given[1])
        elif name in numbers:
            number = numbers[name]
        else:
            what = (
                f"which number has block {name}? The source does not say; give it beside the file"
            )
            number = _ProblemError(head.line, what)
        optimized = False
        while self._peek().word not in ("STRUCT", "VAR", "BEGIN", "END_DATA_BLOCK", ""):
            token = self._peek()
            if token.text.startswith("{"):
                optimized = bool(re.search(r"(?i)S7_Optimized_Access\s*:=\s*'TRUE'", token.text))
            elif token.text.startswith('"') and self._at and self._before().word not in (":", "="):
                named = _Node(named=_bare(token.text), line=token.line)
                self._skip("END_DATA_BLOCK")
                return name, number, optimized, named
            self._at += 1
        body = self._body("END_DATA_BLOCK")
        body.line = head.line
        return name, number, optimized, body

    def _body(self, end: str) -> _Node:
        """The structure of a block or type; what follows it (initial values) is passed over."""
        while self._peek().word not in ("STRUCT", "VAR", end, ""):
            self._at += 1
        if self._peek().word not in ("STRUCT", "VAR"):
            raise _ProblemError(self._peek().line, f"STRUCT is missing before {end}")
        node = self._struct()
        self._skip(end)
        return node

    def _struct(self) -> _Node:
        begin = self._next()
        end = f"END_{begin.word}"
        while self._peek().word in ("RETAIN", "NON_RETAIN", "CONSTANT"):
            self._at += 1
        fields = []
        while self._peek().word != end:
            token = self._next()
            if not token.text:
                raise _ProblemError(begin.line, f"{end} is missing")
            if token.text in (";", ",") or token.text.startswith("{"):
                continue
            name = _bare(token.text)
            while self._peek().text.startswith("{"):
                self._at += 1
            if self._next().text != ":":
                raise _ProblemError(token.line, f"expected ':' after {name}")
            node = self._type(token)
            comment = self._to_end(node)
            fields.append((name, node, comment, token.line))
        self._at += 1
        return _Node(fields=tuple(fields), line=begin.line)

    def _type(self, about: _Token) -> _Node:
        token = self._next()
        word = token.word
        if word == "ARRAY":
            bounds = self._bounds(token)
            if self._next().word != "OF":
                raise _ProblemError(token.line, "expected OF after the bounds of an array")
            inner = self._type(about)
            return _Node(inner.type, inner.chars, inner.fields, bounds + inner.bounds,
                         inner.named, token.line)  # fmt: skip
        if word == "STRUCT":
            self._at -= 1
            return self._struct()
        if word in ("STRING", "WSTRING"):
            chars = 254
            if self._peek().text == "[":
                self._at += 1
                size = self._next().text
                if not size.isdigit() or self._next().text != "]":
                    raise _ProblemError(token.line, f"expected a length: {word}[20]")
                chars = int(size)
            return _Node(word, chars, line=token.line)
        word = _TYPE_ALIASES.get(word, word)
        if word in TYPES or word == "BOOL":
            return _Node(word, line=token.line)
        if word in TEXTS:
            return _Node(word, 1, line=token.line)
        if token.text.startswith('"') or word.startswith("UDT"):
            name = _bare(token.text)
            if word == "UDT" and self._peek().text.isdigit():
                name += self._next().text
            return _Node(named=name, line=token.line)
        raise _ProblemError(token.line, f"{_bare(about.text)}: there is no type {token.text} here")

    def _bounds(self, about: _Token) -> tuple[tuple[int, int], ...]:
        if self._next().text != "[":
            raise _ProblemError(about.line, "expected the bounds of an array: [0..9]")
        text = ""
        while (token := self._next()).text not in ("]", ""):
            text += token.text
        found = []
        for part in text.split(","):
            low, dots, high = part.partition("..")
            if not dots or not _INTEGER.fullmatch(low) or not _INTEGER.fullmatch(high):
                raise _ProblemError(
                    about.line, f"bounds of an array are numbers, as [0..9]: {text}"
                )
            found.append((int(low), int(high)))
            if int(low) > int(high):
                raise _ProblemError(about.line, f"bounds of an array run upwards: {text}")
        return tuple(found)

    def _to_end(self, node: _Node) -> str:
        """Pass an initial value over; the comment of the line."""
        if node.fields and not node.bounds:
            if self._peek().text == ";":
                self._at += 1
            return self._before().comment
        while self._peek().text not in (";", "") and not self._peek().word.startswith("END_"):
            self._at += 1
        if self._peek().text == ";":
            self._at += 1
        return self._before().comment

    def _layout(self, name: str, number: int, body: _Node) -> Iterator[Symbol]:
        places = _Places(number)
        yield from self._place(places, name, body, "", body.line, ())

    def _place(
        self,
        places: _Places,
        name: str,
        node: _Node,
        comment: str,
        line: int,
        within: tuple[str, ...],
    ) -> Iterator[Symbol]:
        self._steps += 1
        if self._steps > MOST_SYMBOLS:
            raise _ProblemError(line, f"{name}: so many values are in no block")
        if node.bounds:
            yield from self._array(places, name, node, comment, line, within)
        elif node.named or not node.type:
            fields = node.fields
            if node.named:
                known = self._types.get(node.named.upper())
                if known is None:
                    what = (
                        f"{name}: type {node.named} is not in this file; export it with the block"
                    )
                    raise _ProblemError(node.line, what)
                if node.named in within:
                    raise _ProblemError(node.line, f"{name}: type {node.named} holds itself")
                fields, within = known.fields, (*within, node.named)
            places.even()
            for inner, field, said, at in fields:
                yield from self._place(places, f"{name}.{inner}", field, said, at, within)
            places.even()
        else:
            yield Symbol(name, _within(name, places.take(node), line), comment, line)

    def _array(
        self,
        places: _Places,
        name: str,
        node: _Node,
        comment: str,
        line: int,
        within: tuple[str, ...],
    ) -> Iterator[Symbol]:
        (low, high), *rest = node.bounds
        one = _Node(node.type, node.chars, node.fields, tuple(rest), node.named, node.line)
        places.even()
        if not rest and _is_one_tag(node):
            address = places.take_array(node, high - low + 1)
            yield Symbol(name, _within(name, address, line), comment, line)
        else:
            for index in range(low, high + 1):
                yield from self._place(places, f"{name}[{index}]", one, comment, line, within)
        places.even()

    # Tokens.

    def _peek(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _end(self._tokens)

    def _before(self) -> _Token:
        return self._tokens[self._at - 1]

    def _next(self) -> _Token:
        token = self._peek()
        self._at += 1
        return token

    def _skip(self, end: str) -> None:
        while self._peek().word not in (end, ""):
            self._at += 1
        self._at += 1


class _Places:
    """Where the next value of a block lies."""

    def __init__(self, db: int) -> None:
        self._db = db
        self._byte = 0
        self._bit = 0

    def even(self) -> None:
        self._close()
        self._byte += self._byte % _EVEN

    def take(self, node: _Node) -> Address:
        if node.type == "BOOL":
            address = Address("DB", self._db, self._byte, self._bit, "BOOL", 0)
            self._bit += 1
            if self._bit == 8:
                self._close()
            return address
        size = text_size(node.type, node.chars) if node.type in TEXTS else TYPES[node.type].size
        self._close()
        if size > 1:
            self.even()
        count = node.chars if node.type in ("STRING", "WSTRING") else 0
        address = Address("DB", self._db, self._byte, 0, node.type, count)
        self._byte += size
        return address

    def take_array(self, node: _Node, count: int) -> Address:
        address = Address("DB", self._db, self._byte, 0, node.type, count)
        self._byte += address.field().size
        return address

    def _close(self) -> None:
        if self._bit:
            self._byte, self._bit = self._byte + 1, 0


def _within(name: str, address: Address, line: int) -> Address:
    if address.byte >= MOST_BYTES:
        raise _ProblemError(line, f"{name} lies beyond byte {MOST_BYTES - 1}, the last of a block")
    return address


def _is_one_tag(node: _Node) -> bool:
    """Whether an array of it can be read as one tag."""
    in_a_row = node.type in TYPES and bool(TYPES[node.type].code)
    return in_a_row or node.type in ("BOOL", "CHAR", "WCHAR")


_INTEGER = re.compile(r"-?\d{1,6}")


def _bare(name: str) -> str:
    return name.strip('"').lstrip("#")


def _end(tokens: list[_Token]) -> _Token:
    return _Token("", tokens[-1].line if tokens else 1)


# Tables.

_COLUMNS = {
    "name": "name", "symbol": "name", "tag": "name", "tag name": "name",
    "data type": "type", "datatype": "type", "type": "type",
    "logical address": "address", "address": "address", "operand": "address",
    "comment": "comment",
}  # fmt: skip


def _sdf(text: str, _numbers: dict[str, int]) -> Iterator[Symbol | _ProblemError]:
    """STEP 7: name, address, type, comment. TIA Portal: flags before the comment."""
    for line, row in _rows(text, ","):
        if len(row) < 3:
            yield _ProblemError(line, "expected at least name, address and type, by comma")
            continue
        said = (cell for cell in row[3:] if cell and cell not in _FLAGS)
        comment = row[3] if len(row) == 4 else next(said, "")
        yield _of_table(line, row[0], row[1], row[2], comment)


def _csv(text: str, _numbers: dict[str, int]) -> Iterator[Symbol | _ProblemError]:
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    rows = _rows(text.lstrip("\ufeff"), delimiter)
    _, head = next(rows, (1, []))
    columns = [_COLUMNS.get(cell.lower(), "") for cell in head]
    missing = {"name", "type", "address"} - set(columns)
    if missing:
        what = f"no column for {', '.join(sorted(missing))}; name them as TIA Portal does"
        yield _ProblemError(1, f"{what}: Name, Data Type, Logical Address, Comment")
        return
    for line, row in rows:
        cells = dict(zip(columns, row, strict=False))
        yield _of_table(
            line,
            cells.get("name", ""),
            cells.get("address", ""),
            cells.get("type", ""),
            cells.get("comment", ""),
        )


_FLAGS = ("True", "False", "true", "false")


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            row = [""]
        if row is None:
            return
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield line, cells
        line = reader.line_num + 1


def _of_table(
    line: int, name: str, address: str, kind: str, comment: str
) -> Symbol | _ProblemError:
    if not name:
        return _ProblemError(line, "a symbol without a name")
    bare = "".join(address.split()).upper()
    word = _TYPE_ALIASES.get(kind.upper(), kind.upper())
    try:
        return Symbol(name, parse(bare if word == "BOOL" else f"{bare}:{word}"), comment, line)
    except AddressError as error:
        return _ProblemError(line, f"{name}: {error}")
