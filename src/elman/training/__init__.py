"""From data to a trained model: the loop, the settings, the scores."""
