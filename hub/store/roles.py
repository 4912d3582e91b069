"""Roles and database of a hub, made once over a superuser's connection; later work needs none.

lineside_owner   owns the schema and migrates it; bound by the tenant policies like any other
lineside_ingest  the hub's services: writes what arrives and the calls, past the policies
lineside_api     answers users: reads only, and only rows of the tenant it has named
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

logger = logging.getLogger(__name__)

Role = Literal["owner", "ingest", "api"]
ROLES: tuple[Role, ...] = ("owner", "ingest", "api")
SCHEMA = "lineside"


def role_name(role: Role) -> str:
    """The role's name in the database."""
    return f"lineside_{role}"


def bootstrap(admin_dsn: str, database: str, passwords: Mapping[Role, str]) -> None:
    """Make the three roles, the database and its schema; what exists is kept, passwords are set.

    `admin_dsn` connects as a superuser: only one may make a role that passes row security, and
    install TimescaleDB, which is done where the server offers it.
    """
    name = sql.Identifier(database)
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        make_roles(connection, passwords)
        exists = connection.execute("SELECT FROM pg_database WHERE datname = %s", [database])
        if exists.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER lineside_owner").format(name))
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        connection.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO lineside_ingest, lineside_api").format(name)
        )
    with psycopg.connect(make_conninfo(admin_dsn, dbname=database)) as connection:
        prepare_schema(connection)


def make_roles(connection: psycopg.Connection, passwords: Mapping[Role, str]) -> None:
    """The three roles of the server, as a superuser; those that exist get the rights they need."""
    for role in ROLES:
        _make_role(connection, role, passwords[role])


def prepare_schema(connection: psycopg.Connection) -> None:
    """Inside the hub's database, as a superuser: its schema, and TimescaleDB where offered."""
    connection.execute("CREATE SCHEMA IF NOT EXISTS lineside AUTHORIZATION lineside_owner")
    offered = connection.execute(
        "SELECT FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    if offered is not None:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
    connection.commit()


def _make_role(connection: psycopg.Connection, role: Role, password: str) -> None:
    name = role_name(role)
    exists = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = "CREATE" if exists is None else "ALTER"
    passes = "BYPASSRLS" if role == "ingest" else "NOBYPASSRLS"
    connection.execute(
        sql.SQL(
            f"{verb} ROLE {{}} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {passes} PASSWORD {{}}"
        ).format(sql.Identifier(name), sql.Literal(password))
    )
    connection.execute(
        sql.SQL("ALTER ROLE {} SET search_path = lineside").format(sql.Identifier(name))
    )
    connection.execute(sql.SQL("ALTER ROLE {} SET timezone = 'UTC'").format(sql.Identifier(name)))
