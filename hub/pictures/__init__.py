"""Pictures of gateways on demand: asked for, fetched, kept for a while."""
