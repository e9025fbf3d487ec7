"""Configuration: `system.yaml`, and YAML files in general."""
