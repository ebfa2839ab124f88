"""Kinds of data, one file each: how they are encoded (in) and how they are predicted (out)."""
