"""The hub's database: an embedded server, roles, migrations, connections and tenants."""

from hub.store.connect import Database, open_database, tenant
from hub.store.migrate import MigrationError, SchemaState, migrate, schema_state

__all__ = [
    "Database",
    "MigrationError",
    "SchemaState",
    "migrate",
    "open_database",
    "schema_state",
    "tenant",
]
