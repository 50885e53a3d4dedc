"""Certificates from an ACME authority: obtained, kept in a cache, and renewed."""
