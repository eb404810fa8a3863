"""The benchmark: our functions against each framework's own, one framework at a time, each in its own process."""
