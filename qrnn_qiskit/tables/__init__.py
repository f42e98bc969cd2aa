"""Tables of results: tasks by models by seeds, from one TOML file."""
