"""What is kept of proposals: which was decided on last, and the trial under way.

The trial lies beside the configuration, since a start that goes wrong must find it before anything
else is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from protocols.proposal import LONGEST_REASON, Decided, Decision

_STARTS = 3
"""Starts of the agent that a trial may take: then its configuration is what ends them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that is in force until it is seen whether the hub answers over it."""

    number: int
    kept: str
    """File name of the configuration before."""
    sha256: str
    """Of the file on trial: one that somebody has edited since is not taken from them."""
    starts: int = 0


@dataclass(frozen=True, slots=True)
class Notes:
    """The last decision, and whether the hub has been told."""

    decided: Decided | None = None
    told: bool = False

    @property
    def last(self) -> int:
        """Number of the proposal; 0 before the first."""
        return self.decided.number if self.decided is not None else 0


@dataclass(frozen=True, slots=True)
class ProposalFiles:
    """The files of one gateway."""

    config: Path
    data_dir: Path

    @property
    def candidate(self) -> Path:
        """A configuration that was checked and is not in force."""
        return self.config.with_name(f".{self.config.name}.proposed")

    @property
    def notes_file(self) -> Path:
        return self.data_dir / "proposals.json"

    def notes(self) -> Notes:
        """Of a file that is not there, or not to be read: nothing was decided yet. Raises
        `OSError`."""
        told = _read(self.notes_file)
        try:
            return Notes(Decided(**told["decided"]), bool(told["told"]))
        except (KeyError, TypeError, ValueError):
            return Notes()

    def note(self, number: int, decision: Decision, reason: str = "") -> None:
        """Decided, and to be told to the hub. Raises `OSError`."""
        decided = Decided(number, decision, reason[:LONGEST_REASON])
        _write(self.notes_file, asdict(Notes(decided)))

    def told(self, notes: Notes) -> None:
        """The hub knows. Raises `OSError`."""
        _write(self.notes_file, asdict(replace(notes, told=True)))

    def trial(self) -> Trial | None:
        """That which is under way. Raises `OSError`."""
        return _trial(self.config)

    def begin(self, number: int) -> Trial:
        """Put the candidate in force; the one before is kept. Raises `OSError`."""
        from edge.config.edit import backup_of

        trial = Trial(number, backup_of(self.config).name, _sha256(self.candidate))
        _write(_trial_file(self.config), asdict(trial))
        self.candidate.replace(self.config)
        _sync(self.config.parent)
        return trial

    def confirm(self) -> None:
        """The trial has ended. Raises `OSError`."""
        _trial_file(self.config).unlink(missing_ok=True)

    def roll_back(self, trial: Trial) -> None:
        """Put the configuration before in force again. Raises `OSError`."""
        _restore(self.config, trial)
        self.confirm()


def look_at_start(config: Path) -> None:
    """Before a configuration is read: one on trial with which the agent has ended too often goes,
    and the one before is in force. Raises `OSError`."""
    trial = _trial(config)
    if trial is None:
        return
    if trial.starts >= _STARTS:
        _restore(config, trial)  # the agent notes the decision: it knows where
    else:
        _write(_trial_file(config), asdict(replace(trial, starts=trial.starts + 1)))


def given_up(trial: Trial) -> bool:
    """Whether `look_at_start` has put the configuration before in force."""
    return trial.starts >= _STARTS


def _restore(config: Path, trial: Trial) -> None:
    """The kept file stays: it may be looked at, and restored once more."""
    kept = config.with_name(trial.kept)
    if not kept.exists() or _sha256(config) != trial.sha256:
        return
    fresh = config.with_name(f".{config.name}.restored")
    fresh.write_bytes(kept.read_bytes())
    fresh.chmod(kept.stat().st_mode & 0o777)
    fresh.replace(config)
    _sync(config.parent)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _trial_file(config: Path) -> Path:
    return config.with_name(f".{config.name}.trial")


def _trial(config: Path) -> Trial | None:
    told = _read(_trial_file(config))
    try:
        kept = Path(told["kept"]).name
        return Trial(int(told["number"]), kept, str(told["sha256"]), int(told["starts"]))
    except (KeyError, TypeError, ValueError):
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _write(path: Path, told: dict[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w") as file:
        file.write(json.dumps(told))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
