"""How a gateway comes to its certificate: the token, and what travels between it and the hub.

The token is `lse_{id}_{secret}_{fingerprint}`. The last part names the hub's authority, so that the
gateway knows at its very first contact that it speaks to the right hub before it says the secret.
A renewal is proven by the certificate in use: its key signs the new request.
"""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass

PREFIX = "lse"
AUTHORITY_PATH = "/v1/enrolment/authority"
ENROLMENT_PATH = "/v1/enrolment"
RENEWAL_PATH = "/v1/enrolment/renewal"
LARGEST_PEM = 16_384
"""Characters of a request or certificate; they have some 500 to 3,000."""

_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([0-9a-f]{{32}})_([0-9a-f]{{64}})")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class Token:
    """A one-time token. Its text is a secret."""

    id: str
    secret: str
    authority: str
    """Fingerprint of the hub's authority."""

    def __str__(self) -> str:
        return f"{PREFIX}_{self.id}_{self.secret}_{self.authority}"

    def __repr__(self) -> str:
        return f"Token({self.id})"

    @classmethod
    def parse(cls, text: str) -> Token:
        """Raises `ValueError`, which never repeats the text."""
        found = _TOKEN.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f"this is no token as lineside-hub gateways add prints it: {PREFIX}_…, 114 "
                "characters; was it copied whole?"
            )
        return cls(*found.groups())

    def hashed(self) -> bytes:
        """What the hub keeps of the secret: 16 random bytes need no slow hash."""
        return hashlib.sha256(self.secret.encode()).digest()


def fingerprint(pem: str) -> str:
    """SHA-256, hexadecimal, of all certificates of a text one after the other. Raises `ValueError`
    if there is none."""
    found = _CERTIFICATE.findall(pem)
    if not found:
        raise ValueError("no certificate (PEM)")
    ders = b"".join(ssl.PEM_cert_to_DER_cert(certificate) for certificate in found)
    return hashlib.sha256(ders).hexdigest()
