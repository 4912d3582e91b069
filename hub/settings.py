"""Settings of the hub, read from the environment: LINESIDE_HUB_DATA_DIR and the like.

Two underscores lead into a group: LINESIDE_HUB_BROKER__HOST. Unknown keys of a group are refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.api.settings import ApiSettings
from hub.fleet.settings import AuthoritySettings
from hub.identity.settings import IdentitySettings
from hub.ingest.settings import IngestSettings
from hub.monitoring.settings import MonitoringSettings
from hub.store.settings import KeepSettings
from hub.webhooks.settings import WebhookSettings
from protocols.mqtt.broker import BrokerSettings
from protocols.traces.settings import TraceSettings


class DatabaseSettings(BaseModel):
    """Where the database is; without a host, an embedded PostgreSQL below the hub's `data_dir`."""

    model_config = ConfigDict(extra="forbid")

    host: str | None = Field(default=None, title="Host of the PostgreSQL server; none: embedded")
    port: int = Field(default=5432, ge=1, le=65535, title="TCP port")
    name: str = Field(default="lineside", title="Database")
    sslmode: Literal["disable", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="verify-full", title="TLS towards the server, as libpq names it"
    )
    owner_password: SecretStr | None = Field(default=None, title="Password of lineside_owner")
    ingest_password: SecretStr | None = Field(default=None, title="Password of lineside_ingest")
    api_password: SecretStr | None = Field(default=None, title="Password of lineside_api")
    passwords_dir: Path | None = Field(
        default=None, title="Folder of files `owner`, `ingest`, `api`, a password in each"
    )
    programs: Annotated[Path | None, BeforeValidator(lambda given: given or None)] = Field(
        default=None,
        title="Folder of `postgres`, `initdb` and `pg_ctl` to embed; none: those of the wheel",
    )

    @model_validator(mode="after")
    def _one_server(self) -> DatabaseSettings:
        given = (self.owner_password, self.ingest_password, self.api_password)
        if self.host is not None and self.passwords_dir is None and None in given:
            raise ValueError(
                "a database host needs the passwords of lineside_owner, lineside_ingest and "
                "lineside_api: set passwords_dir, or all three *_password"
            )
        if self.host is not None and self.programs is not None:
            raise ValueError(
                f"programs ({self.programs}) are of a server that the hub runs itself, and host "
                f"({self.host}) names one that runs already; unset "
                "LINESIDE_HUB_DATABASE__PROGRAMS, or LINESIDE_HUB_DATABASE__HOST"
            )
        return self

    def secret(self, role: Literal["owner", "ingest", "api"]) -> str:
        """The password of one role, read now. Raises `OSError` if its file cannot be read."""
        given = {
            "owner": self.owner_password,
            "ingest": self.ingest_password,
            "api": self.api_password,
        }[role]
        if given is not None:
            return given.get_secret_value()
        if self.passwords_dir is None:
            raise ValueError(f"no password for lineside_{role}")
        return (self.passwords_dir / role).read_text().strip()


class HubSettings(BaseSettings):
    """Everything the hub is told from outside."""

    model_config = SettingsConfigDict(
        env_prefix="LINESIDE_HUB_", env_nested_delimiter="__", extra="forbid"
    )

    data_dir: Path = Field(default=Path(".lineside/hub"), title="Where the hub keeps its files")
    database: DatabaseSettings = DatabaseSettings()
    keep: KeepSettings = KeepSettings()
    broker: BrokerSettings = BrokerSettings()
    more_brokers: list[BrokerSettings] = Field(
        default=[], title="Further MQTT brokers, to which gateways go when the first fails them"
    )
    api: ApiSettings = ApiSettings()
    ingest: IngestSettings = IngestSettings()
    webhooks: WebhookSettings = WebhookSettings()
    identity: IdentitySettings = IdentitySettings()
    monitoring: MonitoringSettings = MonitoringSettings()
    trace: TraceSettings = TraceSettings()
    ca: AuthoritySettings = AuthoritySettings()
    host_id: str = Field(
        default="lineside-hub", pattern=r"^[^/+#\s]+$", title="Sparkplug primary host id"
    )
