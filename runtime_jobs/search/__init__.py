"""Search over circuits: what a step looks like, against what it costs on a device."""
