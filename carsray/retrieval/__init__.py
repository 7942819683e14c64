"""Nearest neighbours of embeddings: exact search, votes, metrics, and the grid over all of them."""
