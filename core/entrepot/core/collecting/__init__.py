"""Garbage collection: `collector` runs it, `condemned` is what pushes heed of it."""
