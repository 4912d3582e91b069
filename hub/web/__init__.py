"""The live page: static files that read the API and its live events; no build step, no CDN."""
