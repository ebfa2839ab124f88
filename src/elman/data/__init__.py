"""From files to examples: read a table, give its columns their roles, divide the examples.

Nothing is loaded here: write ``from elman.data.read import read``.
"""
