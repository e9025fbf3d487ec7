"""Memory: what happened, kept for ever in SurrealDB, and found again."""
