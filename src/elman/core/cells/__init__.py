"""One step's mathematics; no loop over time lives here."""
