"""The doctor: what a file holds, what is wrong with it, and the command that trains on it; some rows at a time.

Nothing is loaded here: write ``from elman.data.checkup.examine import examine``.
"""
