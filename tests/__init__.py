"""The tests of hAIrem."""
