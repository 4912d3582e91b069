"""Webhooks: what changes is told to the addresses that tenants have given."""
