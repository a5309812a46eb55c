"""Records that tests make by hand."""

from __future__ import annotations

from pathlib import Path

from driftseg.runs.record import Run


def make_run(
    method: str = "dacs", seed: int = 0, *, held: bool = True, labels: bool = True, lr: float = 1.0
) -> Run:
    """A record by hand: two classes, three visits of two frames."""
    visits = [
        {"visit": i, "domain": d, "direction": way, "weather": "as it is", "frames": 2}
        for i, (d, way) in enumerate(
            [("clear", "forward"), ("wet", "forward"), ("clear", "backward")]
        )
    ]
    frames = [
        {
            "index": i, "visit": i // 2, "domain": visits[i // 2]["domain"], "name": str(i),
            "labelled": labels,
            "intersection": [10 + i, 5] if labels else [0, 0],
            "union": [20, 10] if labels else [0, 0],
            "confidence": 0.5, "entropy": 1.0, "trained": i % 2 == 0,
            "losses": {"source": 1.0} if method == "dacs" else {}, "learning_rate": None,
            "signal": None, "event": None, "plan": None, "predict_ms": 10.0, "adapt_ms": 30.0,
        }
        for i in range(6)
    ]  # fmt: skip
    scores = {"clear": [60, 59, 55, 50 + seed], "wet": [30, 29, 40, 39]}
    evaluations = [
        {
            "after_visit": after, "after_domain": "x", "domain": domain, "head": head,
            "frames": 2, "mean_iou": values[after + 1] / (1 if head == "main" else 2),
            "mean_accuracy": 1.0, "pixel_accuracy": 1.0,
            "iou": {"road": float(values[after + 1]), "sky": None}, "reused": False,
        }
        for after in range(-1, 3) for domain, values in scores.items() for head in ("main", "early")
    ]  # fmt: skip
    return Run(
        path=Path(f"/none/{method}_{seed}"),
        config={"name": "tiny", "seed": seed, "method": {"name": method, "learning_rate": lr}},
        environment={"notes": ["a note & more"], "torch": "2"},
        classes=("sky", "road"), label_space="camvid11", home="clear", visits=visits,
        frames=frames, evaluations=evaluations if held else [],
    )  # fmt: skip
