"""The same function of time, computed in several ways."""
