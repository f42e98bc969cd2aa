"""Search over the circuit of a step, by accuracy and by cost on a device."""
