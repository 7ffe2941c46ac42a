"""Sweeps: one spec, values to try at some of its places, and one job for each point."""
