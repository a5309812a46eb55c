"""A learner that learns from the answering pass, under a controller that chooses what learns."""

from __future__ import annotations

from adapting import frames, make, moved, weights

CONTROL = {
    "kind": "after_change", "selection": "round_robin", "start_training": True, "costs": "none",
    "detector": {
        "window": 1, "rise": 50.0, "fall": -50.0, "source_level": 1.0, "far_level": 3.0,
    },
}  # fmt: skip


def test_tent_moves_what_is_chosen_for_the_frame_and_not_for_the_one_before() -> None:
    model = make("composed", "mit", control=CONTROL, learner={"name": "tent", "learning_rate": 0.1})
    chosen = []
    for image in frames()[:5]:
        model.predict(image)
        before = weights(model)
        done = model.learn()
        assert done.trained
        chosen.append(done.plan["module"])
        changed = moved(model, before)
        assert changed <= set(model.choices[chosen[-1]])
    assert chosen == [1, 2, 3, 4, 1]
    assert changed - set(model.choices[4]), "the last choice was larger than the one before it"
