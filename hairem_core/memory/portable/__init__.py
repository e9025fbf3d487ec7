"""Memory as a file of lines that any hAIrem can read, whatever engine keeps it."""
