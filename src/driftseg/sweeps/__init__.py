"""Many runs: sweeps over settings, and tuning, on Ray and Optuna."""
