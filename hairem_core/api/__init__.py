"""The outside of H-Core: REST, the WebSocket bridge, authentication."""
