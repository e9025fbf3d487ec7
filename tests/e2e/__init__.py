"""The whole way: a real Home Assistant, a real H-Core, and a scripted model in place of a paid one."""
