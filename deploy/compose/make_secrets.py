#!/usr/bin/env python3
"""Makes what the Compose stack keeps secret, and what the broker may let whom do, in `secrets/`.

    python3 deploy/compose/make_secrets.py seatworks/gw-seat trimworks/gw-trim

A certificate authority of its own, the broker's certificate, random passwords, the broker's
password file and access list. What exists stays as it is, so that a further gateway is added by
running it again. Needs only Python and openssl.

The directory is closed to other users of the host (0700). The files in it are readable to all
(0444), since each container runs as a user of its own and sees only the files it is given.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # run as it lies in the repository, without being installed
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from protocols.mqtt.rights import HUB_USER, Rights, gateway_rights, hub_rights, mosquitto_acl

DEFAULT_DIRECTORY = Path(__file__).parent / "secrets"
HOST_ID = "lineside-hub"
DAYS_CA, DAYS_BROKER = 3650, 825
# The passwords are 256 random bits; stretching them would only slow the broker down.
PBKDF2_ITERATIONS = 101
OTHER_SECRETS = (
    "postgres_superuser_password",
    "postgres_owner_password",
    "postgres_ingest_password",
    "postgres_api_password",
    "api_token",
)
BROKER_NAMES = ("DNS:broker", "DNS:localhost", "IP:127.0.0.1")


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway: its Sparkplug group, which is the supplier, and its node."""

    group: str
    node: str

    @classmethod
    def parse(cls, text: str) -> Gateway:
        """From `group/node`. Raises `ValueError` unless both can name a topic level and a file."""
        parts = text.split("/")
        if len(parts) != 2 or not all(p and p.replace("-", "").isalnum() for p in parts):
            raise ValueError(f"not group/node of letters, digits and hyphens: {text!r}")
        return cls(*parts)

    @property
    def user(self) -> str:
        """Its name at the broker, and the name of its password file."""
        return f"{self.group}_{self.node}"


def acl(gateways: list[Gateway]) -> str:
    """The broker's access list: each may do what its part in the protocols needs, and no more."""
    users = {
        HUB_USER: hub_rights(HOST_ID),
        # Lets the health check see that TLS and passwords work.
        "health": Rights(hears=("$SYS/broker/uptime",)),
    }
    for gateway in gateways:
        users[gateway.user] = gateway_rights(gateway.group, gateway.node, HOST_ID)
    return mosquitto_acl(users)


def mosquitto_hash(password: str, salt: bytes) -> str:
    """A password as Mosquitto 2 keeps it: PBKDF2 with SHA-512, 12 bytes of salt."""
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PBKDF2_ITERATIONS)
    parts = (str(PBKDF2_ITERATIONS), *(base64.b64encode(b).decode() for b in (salt, digest)))
    return "$7$" + "$".join(parts)


class Secrets:
    """The directory of secrets."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)

    def secret(self, name: str) -> str:
        """The secret in the file `name`, drawn now if there is none."""
        path = self.directory / name
        if not path.exists():
            self._write(path, secrets.token_hex(32))
        return path.read_text().strip()

    def broker_files(self, gateways: list[Gateway]) -> None:
        """The password file and the access list of the broker."""
        users = [HUB_USER, "health", *(gateway.user for gateway in gateways)]
        passwords = {user: self.secret(f"mqtt_{user}_password") for user in users}
        lines = (
            f"{user}:{mosquitto_hash(password, secrets.token_bytes(12))}\n"
            for user, password in passwords.items()
        )
        self._write(self.directory / "mosquitto_passwd", "".join(lines))
        self._write(self.directory / "mosquitto_acl", acl(gateways))

    def known_gateways(self) -> list[Gateway]:
        """Those of earlier runs, by their password files."""
        names = (path.name for path in sorted(self.directory.glob("mqtt_*_*_password")))
        return [
            Gateway(*name.removeprefix("mqtt_").removesuffix("_password").split("_", 1))
            for name in names
        ]

    def certificates(self) -> None:
        """The certificate authority, and the broker's certificate signed by it."""
        if not (self.directory / "ca.crt").exists():
            self._openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", str(DAYS_CA)),
                *("-subj", "/CN=Lineside CA"),
                *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            )
        if not (self.directory / "broker.crt").exists():
            self._openssl(
                *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
                *("-nodes", "-keyout", "broker.key", "-out", "broker.crt"),
                *("-days", str(DAYS_BROKER), "-subj", "/CN=broker"),
                *("-CA", "ca.crt", "-CAkey", "ca.key"),
                *("-addext", "basicConstraints=critical,CA:FALSE"),
                *("-addext", "extendedKeyUsage=serverAuth"),
                *("-addext", f"subjectAltName={','.join(BROKER_NAMES)}"),
            )
        for path in self.directory.iterdir():
            # The CA's key signs for every name: no container gets it, and nobody else reads it.
            path.chmod(0o400 if path.name == "ca.key" else 0o444)

    def _write(self, path: Path, text: str) -> None:
        # A new file in place of the old one: a reader sees either whole, and 0444 cannot be opened.
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        fresh.replace(path)

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.directory, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")


def make(directory: Path, gateways: list[Gateway]) -> list[Gateway]:
    """Make what is missing; return all gateways the broker now knows. Raises `RuntimeError`."""
    store = Secrets(directory)
    everyone = sorted({*store.known_gateways(), *gateways}, key=lambda g: g.user)
    store.certificates()
    for name in OTHER_SECRETS:
        store.secret(name)
    store.broker_files(everyone)
    return everyone


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Make certificates, passwords and the broker's access list."
    )
    parser.add_argument("gateways", nargs="*", metavar="GROUP/NODE", help="gateways to let in")
    parser.add_argument("--directory", type=Path, default=DEFAULT_DIRECTORY)
    arguments = parser.parse_args()
    try:
        gateways = [Gateway.parse(text) for text in arguments.gateways]
        known = make(arguments.directory, gateways)
    except (ValueError, RuntimeError, OSError) as error:
        print(f"make_secrets: {error}", file=sys.stderr)
        return 1
    print(f"secrets in {arguments.directory}; gateways: {', '.join(g.user for g in known) or '-'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
