"""Cold storage: what has faded, moved out of the store into SQLite or MariaDB, and still there."""
