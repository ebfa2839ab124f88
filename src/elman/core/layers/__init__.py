"""Layers built on cells and ``unfold``."""
