"""The tables as they came to be. Django reads this, and writes the next one."""
