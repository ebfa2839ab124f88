"""From kinds of data to kinds of data: what is read, what is predicted, and the network between."""
