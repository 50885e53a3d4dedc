"""Proof that a store holds what it should, object by object."""
