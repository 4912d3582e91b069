"""Who asks, for which tenant, and what they may do: API keys, users by OpenID Connect, audit."""
