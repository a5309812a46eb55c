"""When to learn, where in the network, and how hard: plain numbers, no torch."""
