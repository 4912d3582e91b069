"""Configurations that the hub proposes: asked for, checked, tried, and taken back if need be."""
