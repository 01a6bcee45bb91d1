"""The history of the tables. Django reads these migrations, and writes the next one."""
