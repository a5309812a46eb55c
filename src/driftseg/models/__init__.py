"""Networks: encoders with the stage contract, heads, roles, checkpoints."""
