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

from protocols.mqtt.broker import BrokerSettings


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What must be known to renew a certificate, and when."""

    hub: str | None
    """Address of the hub's API; None if another authority gave it, by EST."""
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
        """Key and certificate (PEM), with those that lead to its root, for the gateway's user
        alone."""
        return self.folder / "gateway.pem"

    @property
    def authority(self) -> Path:
        """The hub's authority (PEM), if it was the hub that this gateway enrolled at."""
        return self.folder / "ca.pem"

    @property
    def next_key(self) -> Path:
        """The key that a certificate is asked for; there until it has come."""
        return self.folder / "next.key"

    @property
    def next_proof(self) -> Path:
        """Key and certificate that are not in force yet: no broker has let them in."""
        return self.folder / "next.pem"

    @property
    def about(self) -> Path:
        """The `Enrolment`."""
        return self.folder / "enrolment.json"

    @property
    def next_about(self) -> Path:
        """That of `next_proof`."""
        return self.folder / "next.json"

    def prove(self, broker: BrokerSettings) -> bool:
        """Whether a broker is told by these files who this gateway is."""
        named = broker.cert_file
        return named is not None and named.resolve() == self.proof.resolve()

    def enrolment(self) -> Enrolment | None:
        """How this gateway was enrolled; None if it was not. Raises `OSError`, `ValueError`."""
        return self._told(self.about)

    def changed_at(self) -> int | None:
        """Nanoseconds; another once a certificate has come into force. None if none has."""
        try:
            return self.about.stat().st_mtime_ns
        except OSError:
            return None

    def next_enrolment(self) -> Enrolment | None:
        """That of the certificate which is not in force yet; None if there is none. Raises
        `OSError`, `ValueError`."""
        return self._told(self.next_about) if self.next_proof.exists() else None

    @staticmethod
    def _told(about: Path) -> Enrolment | None:
        try:
            told = json.loads(about.read_text())
        except FileNotFoundError:
            return None
        try:
            not_after, renew_at = (
                datetime.fromisoformat(told[key]) for key in ("not_after", "renew_at")
            )
            return Enrolment(told["hub"], told["group"], told["node"], not_after, renew_at)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{about} is damaged ({error}); enrol anew") from None

    def make_folder(self) -> None:
        """Raises `OSError`, for a link too: what it leads to would be given away by root."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchmod(folder, 0o700)
            self._give(folder)
        finally:
            os.close(folder)

    def keep(self, proof: str, enrolment: Enrolment, authority: str | None = None) -> None:
        """Put what belongs together in force, each file whole. The hub's authority stays as it was
        if none is given: the broker may be known by it. Raises `OSError`."""
        if authority is not None:
            self.write(self.authority, authority, 0o644)
        self.write(self.proof, proof, 0o600)
        self.write(self.about, _written(enrolment), 0o644)
        self.drop_next()

    def stage(self, proof: str, enrolment: Enrolment) -> None:
        """Keep the next certificate beside the one in force: it is there when both files are.
        Raises `OSError`."""
        self.write(self.next_proof, proof, 0o600)
        self.write(self.next_about, _written(enrolment), 0o644)

    def take_next(self) -> None:
        """Put the next certificate in the place of the one in force. Raises `OSError`."""
        self.next_proof.replace(self.proof)
        self.next_about.replace(self.about)
        self._sync()
        self.next_key.unlink(missing_ok=True)

    def settle(self) -> None:
        """End what `take_next` had begun when the power went. Raises `OSError`."""
        if self.next_about.exists() and not self.next_proof.exists():
            self.next_about.replace(self.about)
            self.next_key.unlink(missing_ok=True)

    def drop_next(self) -> None:
        """Forget the certificate that is not in force, and its key. Raises `OSError`."""
        # What is known of it first: alone it would be taken for that of the one in force.
        for path in (self.next_about, self.next_proof, self.next_key):
            path.unlink(missing_ok=True)

    def write(self, path: Path, text: str, mode: int) -> None:
        """A file in the place of an older one, durable, never readable to more than its mode says.
        Raises `OSError`."""
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(descriptor, mode)
            self._give(descriptor)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        fresh.replace(path)
        self._sync()

    def _sync(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _give(self, descriptor: int) -> None:
        """To whoever the data directory belongs to: root may enrol for the service's user."""
        if os.geteuid() == 0:
            owner = self.folder.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _written(enrolment: Enrolment) -> str:
    told = asdict(enrolment)
    for key in ("not_after", "renew_at"):
        told[key] = told[key].isoformat()
    return json.dumps(told, indent=2) + "\n"
