"""Where a gateway keeps its certificate and what belongs to it: `identity` in its data directory.

Key and certificate are one file, which a broker's settings name twice: so the two are exchanged in
one step, and never one without the other.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What must be known to renew a certificate, and when."""

    hub: str
    """Address of the hub's API."""
    group: str
    node: str
    not_after: datetime
    renew_at: datetime


@dataclass(frozen=True, slots=True)
class IdentityFiles:
    """The files of one gateway."""

    folder: Path

    @classmethod
    def of(cls, data_dir: Path) -> IdentityFiles:
        """Those of a data directory."""
        return cls(data_dir / "identity")

    @property
    def proof(self) -> Path:
        """Key and certificate (PEM), for the gateway's user alone."""
        return self.folder / "gateway.pem"

    @property
    def authority(self) -> Path:
        """The hub's authority (PEM)."""
        return self.folder / "ca.pem"

    @property
    def next_key(self) -> Path:
        """The key that a certificate is asked for; there until it has come."""
        return self.folder / "next.key"

    @property
    def about(self) -> Path:
        """The `Enrolment`."""
        return self.folder / "enrolment.json"

    def enrolment(self) -> Enrolment | None:
        """How this gateway was enrolled; None if it was not. Raises `OSError`, `ValueError`."""
        try:
            told = json.loads(self.about.read_text())
        except FileNotFoundError:
            return None
        try:
            not_after, renew_at = (
                datetime.fromisoformat(told[key]) for key in ("not_after", "renew_at")
            )
            return Enrolment(told["hub"], told["group"], told["node"], not_after, renew_at)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.about} is damaged ({error}); enrol anew") from None

    def make_folder(self) -> None:
        """Raises `OSError`."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.folder.chmod(0o700)
        self._give(self.folder)

    def keep(self, proof: str, authority: str, enrolment: Enrolment) -> None:
        """Put what belongs together in force, each file whole. Raises `OSError`."""
        told = asdict(enrolment)
        for key in ("not_after", "renew_at"):
            told[key] = told[key].isoformat()
        self.write(self.authority, authority, 0o644)
        self.write(self.proof, proof, 0o600)
        self.write(self.about, json.dumps(told, indent=2) + "\n", 0o644)
        self.next_key.unlink(missing_ok=True)

    def write(self, path: Path, text: str, mode: int) -> None:
        """A file in the place of an older one, durable, never readable to more than its mode says.
        Raises `OSError`."""
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        self._give(fresh)
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give(self, path: Path) -> None:
        """To whoever the data directory belongs to: root may enrol for the service's user."""
        if os.geteuid() == 0:
            owner = self.folder.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)
