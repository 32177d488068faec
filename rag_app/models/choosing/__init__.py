"""Which embedding model to choose, by published figures and by looking at a few texts."""
