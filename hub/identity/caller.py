"""Who asks, and what their roles allow."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["plant", "supplier", "auditor", "admin"]
Permission = Literal["read", "operate", "sequence", "decide", "administer", "audit"]
ROLES: tuple[Role, ...] = get_args(Role)

ALLOWS: dict[Role, frozenset[Permission]] = {
    "plant": frozenset({"read", "operate", "sequence", "decide"}),
    "supplier": frozenset({"read", "decide"}),
    "auditor": frozenset({"read", "audit"}),
    "admin": frozenset(get_args(Permission)),
}
"""What each role may do with what its tenant sees; the tenant alone decides what that is."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks. Hashable: limits of rate are counted by it."""

    tenant: str
    actor: str
    """As the audit log names them: `user …`, `key …`, `token`."""
    roles: frozenset[Role]

    def may(self, permission: Permission) -> bool:
        """Whether one of the roles allows it."""
        return any(permission in ALLOWS[role] for role in self.roles)


CURRENT: ContextVar[Caller | None] = ContextVar("caller", default=None)
"""Who asks in this request; what is written names them."""
