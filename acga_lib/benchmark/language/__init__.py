"""Sentences about a scene that are true of exactly one instance."""
