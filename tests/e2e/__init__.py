"""The whole way: a real Home Assistant, a real H-Core, and a scripted model for a paid one."""
