"""Networks: encoders that meet the stage contract, heads, roles, checkpoints."""
