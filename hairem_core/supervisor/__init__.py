"""Home Assistant's Supervisor: what H-Core needs of it where it runs as a Home Assistant app."""
