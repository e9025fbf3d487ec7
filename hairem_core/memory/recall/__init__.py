"""Finding what fits: an index beside the store, derived from it, by words and by meaning."""
