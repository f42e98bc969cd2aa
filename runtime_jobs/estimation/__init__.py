"""From measured bits to values: measurement bases, counts and standard errors."""
