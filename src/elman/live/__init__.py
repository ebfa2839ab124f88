"""Models that run while the data arrives."""
