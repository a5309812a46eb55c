"""How often two equal methods seem to differ: ``python -m benchmarks.few_seeds``.

Paired differences are drawn from a normal distribution around 0. An interval that excludes 0 is
wrong.
"""

from __future__ import annotations

import numpy as np

from driftseg.report.bootstrap import LEVEL, RESAMPLES, expanded_tail, seeds_interval

ROUNDS, SEEDS = 2000, (3, 4, 5, 6, 8, 10, 20)


def main() -> None:
    """Prints one row a number of seeds."""
    print("| seeds | `driftseg compare` | plain percentile bootstrap |\n|---|---|---|")
    for number in SEEDS:
        draw = np.random.default_rng(0)
        wrong = np.zeros(2)
        for seed in range(ROUNDS):
            values = draw.normal(size=number)
            found = seeds_interval(values, seed=seed)
            assert found is not None
            means = values[np.random.default_rng(seed).integers(0, number, (RESAMPLES, number))]
            low, high = np.quantile(means.mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
            wrong += [found.excludes_zero, low > 0 or high < 0]
        ours, plain = 100 * wrong / ROUNDS
        print(f"| {number} | {ours:.1f} % | {plain:.1f} % |", flush=True)
    print(
        f"\nat {SEEDS[-1]} seeds {100 * expanded_tail(SEEDS[-1]):.2f} % are left out on each side"
    )


if __name__ == "__main__":
    main()
