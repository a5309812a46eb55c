"""Laws of adapters, for every kind on every encoder."""

from __future__ import annotations

import copy

import pytest
import torch
from adapter_cases import CASES, ENCODERS, adapted, spec_of, wake
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import network, picture

from driftseg.errors import InputError
from driftseg.models.adapters import (
    adapter_spec,
    attach,
    detach_adapters,
    fitting_kinds,
)
from driftseg.models.encoders.sites import Adapter, adapter_names, adapters_of, silent_values
from driftseg.models.encoders.stages import Dropout
from driftseg.models.segmenter import build_segmenter
from driftseg.models.trainable import (
    freeze_except,
    parameter_groups,
    set_generator,
    set_learning_rate,
    trainable_names,
)

sizes = st.tuples(st.sampled_from([33, 64, 96]), st.sampled_from([32, 70, 128]))


@settings(max_examples=40, deadline=None)
@given(case=st.sampled_from(CASES), seed=st.integers(0, 99), batch=st.integers(1, 2), size=sizes)
def test_fresh_adapters_are_the_identity_bit_for_bit(case, seed, batch, size) -> None:
    images = picture(seed, batch=batch, size=size)
    plain, model = network(case[0], seed=seed), adapted(*case, seed=seed)
    with torch.no_grad():
        for ours, theirs in zip(
            model.encoder(model.start(images).x), plain.encoder(plain.start(images).x), strict=True
        ):
            assert torch.equal(ours, theirs)
        assert torch.equal(model(images), plain(images))


@pytest.mark.parametrize("case", CASES)
def test_detaching_gives_the_base_back(case) -> None:
    model, images = adapted(*case), picture()
    wake(model)
    plain = detach_adapters(model)
    base = network(case[0])
    assert list(plain.state_dict()) == list(base.state_dict())
    assert [type(m) for m in plain.modules()] == [type(m) for m in base.modules()]
    with torch.no_grad():
        assert torch.equal(plain(images), base(images))
        assert not torch.allclose(model(images), base(images))
    attach(plain, spec_of(*case[1:]), torch.Generator())
    assert model.adapters == plain.adapters


@pytest.mark.parametrize("case", CASES)
def test_the_trainable_set_is_exactly_the_adapters_and_the_head(case) -> None:
    model, base = adapted(*case), network(case[0])
    added = {n for n, _ in model.named_parameters()} - {n for n, _ in base.named_parameters()}
    by_type = {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if isinstance(module, Adapter)
        for parameter, _ in module.named_parameters()
    }
    assert set(trainable_names(model, ["adapters"])) == added == by_type != set()
    names = trainable_names(model, ["adapters", "head"])
    assert set(names) == added | {f"head.{n}" for n, _ in model.head.named_parameters()}
    freeze_except(model, names)
    assert {n for n, p in model.named_parameters() if p.requires_grad} == set(names)


@pytest.mark.parametrize("case", CASES)
def test_groups_stay_a_partition_and_hold_the_adapters_of_their_stage(case) -> None:
    model = adapted(*case, stages=[2, 4])
    groups = model.parts
    listed = [name for names in groups.values() for name in names]
    assert sorted(listed) == sorted(name for name, _ in model.named_parameters())
    assert len(listed) == len(set(listed))
    held = {part for part, names in groups.items() if set(names) & set(adapter_names(model))}
    assert held == {"encoder.stage2", "encoder.stage4"}


def test_names_in_full() -> None:
    model = adapted("mit_b0", "lora", "block", stages=[4], targets=("query", "value"))
    attention = [f"encoder.stages.3.blocks.{i}.attention" for i in (0, 1)]
    assert trainable_names(model, ["adapters"]) == [
        f"{block}.{linear}.updates.{target}.{matrix}.weight"
        for block in attention
        for linear, target in (("query", "query"), ("key_value", "value"))
        for matrix in ("down", "up")
    ]
    model = adapted("efficientnet_lite0", "bottleneck", "stage", stages=[1])
    assert trainable_names(model, ["adapters"]) == [
        f"encoder.stages.0.adapter.{name}"
        for name in ("scale", "down.weight", "down.bias", "up.weight", "up.bias")
    ]


@pytest.mark.parametrize("case", CASES)
def test_the_first_gradient_reaches_what_is_zero_and_nothing_else(case) -> None:
    model = adapted(*case)
    names = trainable_names(model, ["adapters", "head"])
    freeze_except(model, names)
    model.eval()  # drop path could leave a block out
    model(picture()).square().mean().backward()
    silent, trained = set(silent_values(model)), set(adapter_names(model))
    for name, parameter in model.named_parameters():
        if name in silent:
            assert parameter.grad is not None, name
            assert not parameter.any(), name
            assert parameter.grad.any(), name
        elif name in trained:
            assert parameter.grad is not None, name
            assert not parameter.grad.any(), name
        else:
            assert (parameter.grad is not None) == name.startswith("head."), name


@pytest.mark.parametrize("encoder", ENCODERS)
def test_dropout_draws_from_the_generator_that_is_handed_in(encoder: str) -> None:
    kind = "convolution" if encoder == "efficientnet_lite0" else "adaptformer"
    model, images = adapted(encoder, kind, "block", dropout=0.5), picture()
    wake(model)
    rates = [module.rate for module in model.modules() if isinstance(module, Dropout)]
    assert rates
    assert set(rates) == {0.5}
    model.train()

    def look() -> torch.Tensor:
        set_generator(model, torch.Generator().manual_seed(3))
        return model.encoder(images)[3]

    before = torch.get_rng_state()
    with torch.no_grad():
        assert torch.equal(look(), look())
        assert not torch.equal(look(), model.eval().encoder(images)[3])
    assert torch.equal(torch.get_rng_state(), before)


def test_initial_values_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    one, two = (adapted("mit_b0", "convpass", "block", seed=7) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for name in adapter_names(one):
        assert torch.equal(one.get_parameter(name), two.get_parameter(name))
    other = network("mit_b0", seed=7)
    attach(other, spec_of("convpass", "block"), torch.Generator().manual_seed(8))
    assert any(
        not torch.equal(other.get_parameter(n), one.get_parameter(n)) for n in adapter_names(one)
    )


def test_convpass_starts_with_the_identity_on_the_grid_at_any_width() -> None:
    for width in (3, 8, 11):
        adapter = next(
            a for _, a in adapters_of(adapted("mit_b0", "convpass", "block", width=width))
        )
        x = torch.rand(2, width, 5, 4)
        assert torch.allclose(adapter.convolution(x), x, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "options", "counts"),
    [
        ("adaptformer", {}, (132_608, 264_704, 537_664, 1_976_512)),
        ("lora", {}, (32_768, 65_536, 133_120, 489_472)),
        ("vida", {}, (2_119_680, 4_608_000, 9_438_336, 35_296_128)),
        ("convpass", {}, (44_288, 79_104, 160_384, 581_632)),
        ("bottleneck", {"width": 5, "activation": "gelu", "learnable_scale": True},
         (11_312, 22_576, 45_856, 168_568)),
    ],
)  # fmt: skip
def test_published_sizes(kind: str, options: dict, counts: tuple[int, ...]) -> None:
    for encoder, count in zip(("mit_b0", "mit_b1", "mit_b2", "mit_b5"), counts, strict=True):
        with torch.device("meta"):
            model = build_segmenter(encoder, classes=2)
        attach(model, adapter_spec(kind, **options), torch.Generator())
        numbers = sum(model.get_parameter(name).numel() for name in adapter_names(model))
        assert numbers == count, encoder
        assert all(model.get_parameter(name).is_meta for name in adapter_names(model))


@pytest.mark.parametrize(
    ("ratio", "widths"),
    [(1 / 16, [2, 2, 4, 4, 10, 10, 16, 16]), (0.1, [3, 3, 6, 6, 16, 16, 26, 26]), (0.01, [1] * 4)],
)
def test_a_ratio_follows_the_stages_widths(ratio: float, widths: list[int]) -> None:
    """To the nearest number of channels, and one at least."""
    model = adapted("mit_b0", "bottleneck", "block", ratio=ratio)
    found = [a.down.out_features for _, a in adapters_of(model)]
    assert found[: len(widths)] == widths


def test_stages_and_targets_are_sets() -> None:
    """In whatever order and however often they are named, they are the same adapters."""
    one = adapter_spec("lora", stages=[4, 2, 4], targets=["value", "query", "value"])
    assert one == adapter_spec("lora", stages=(2, 4), targets=("query", "value"))


def test_what_fits_where() -> None:
    transformers = [
        "adaptformer per block", "bottleneck per block", "bottleneck per stage", "lora per block",
        "convpass per block", "convolution per stage", "vida per block",
    ]  # fmt: skip
    assert fitting_kinds(network("mit_b0").encoder) == transformers
    assert fitting_kinds(network("tiny_swin").encoder) == transformers
    assert fitting_kinds(network("efficientnet_lite0").encoder) == [
        "bottleneck per stage", "convolution per block", "convolution per stage", "vida per block",
    ]  # fmt: skip


class TestBadInput:
    def refuse(self, message: str, encoder: str = "mit_b0", **asked: object) -> None:
        model = network(encoder)
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(InputError, match=message) as caught:
            attach(model, adapter_spec(**asked), torch.Generator())  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert list(model.state_dict()) == list(before)

    def test_a_kind_without_a_place(self) -> None:
        self.refuse(
            "adapters: expected a kind that fits stage 1 of this encoder, got lora per "
r"block.*bottleneck per stage, convolution",
            "efficientnet_lite0", kind="lora",
        )  # fmt: skip
        self.refuse("got convolution per block.*take one of .*convolution per stage",
                    kind="convolution")  # fmt: skip
        self.refuse("got lora per stage.*take one of .*lora per block", kind="lora", where="stage")

    def test_options_of_another_kind(self) -> None:
        self.refuse(
            r"expected settings of adaptformer \(width, ratio, dropout, .*\), got rank",
            kind="adaptformer",
            rank=4,
        )
        self.refuse("expected width or ratio, got both", kind="convpass", width=4, ratio=0.5)
        self.refuse("rank: expected a whole number from 1 on, got 0", kind="lora", rank=0)
        self.refuse("dropout: expected a number from 0 to below 1, got 1", kind="lora", dropout=1)

    @pytest.mark.parametrize(
        ("kind", "option", "message"),
        [
            ("adaptformer", {"width": 2.5}, r"expected a whole number from 1 to 4096, got 2\.5"),
            ("adaptformer", {"width": "8"}, "expected a whole number from 1 to 4096, got '8'"),
            ("adaptformer", {"width": 10**7}, "a whole number from 1 to 4096, got 10000000"),
            ("bottleneck", {"ratio": 16}, "expected the bottleneck's width over the place's,"),
            ("bottleneck", {"activation": "tanh"}, "expected one of relu, gelu, got 'tanh'"),
            ("bottleneck", {"scale": 0}, r"above 0 \(at 0 nothing would ever learn\), got 0"),
            ("convpass", {"scale": float("nan")}, r"0 \(at 0 nothing would ever learn\), got nan"),
            ("bottleneck", {"learnable_scale": 2}, "expected true or false, got 2"),
            ("lora", {"rank": 2.0}, r"adapters: rank: expected a whole number from 1 on, got 2\.0"),
            ("lora", {"rank": 33}, "at most 32, that of the smallest matrix to change, got 33"),
            ("lora", {"alpha": 0.0}, r"adapters: alpha: expected a number above 0, got 0\.0"),
            ("lora", {"stages": 3}, "stages: expected a list of some of 1, 2, 3, 4, got 3"),
            ("lora", {"stages": [1.0]}, r"adapters: stages: expected some of 1, 2, 3, 4, got 1\.0"),
        ],
    )
    def test_values_that_cannot_be_meant(self, kind, option, message: str) -> None:
        self.refuse(message, kind=kind, **option)

    def test_rank_as_large_as_the_matrix(self) -> None:
        attach(network("mit_b0"), adapter_spec("lora", rank=32), torch.Generator())

    def test_unknown_words(self) -> None:
        self.refuse(
            "adapters: kind: expected some of adaptformer, bottleneck, lora, "
            "convpass, convolution, vida, got prefix",
            kind="prefix",
        )
        self.refuse(r"stages: expected some of 1, 2, 3, 4, got 5\.", kind="lora", stages=[5])
        self.refuse(r"stages: expected some of .*, got none\.", kind="lora", stages=[])
        self.refuse(r"targets: expected some of .*, got gate\.", kind="lora", targets=["gate"])

    def test_adapters_twice(self) -> None:
        wanted = r"adapters: expected a model without adapters, got one with lora"
        with pytest.raises(InputError, match=wanted):
            attach(adapted("mit_b0", "lora", "block"), adapter_spec("lora"), torch.Generator())

    def test_no_adapters_to_train(self) -> None:
        wanted = r"train: expected a part of this model, got 'adapters'"
        with pytest.raises(InputError, match=wanted):
            trainable_names(network(), ["adapters"])


def test_adapters_have_a_rate_of_their_own() -> None:
    model = adapted("mit_b0", "adaptformer", "block")
    groups = parameter_groups(
        model, trainable_names(model, ["encoder", "head"]), learning_rate=1.0, head_factor=10.0,
        weight_decay=0.5, adapter_factor=4.0,
    )  # fmt: skip
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    adapters = set(adapter_names(model))
    for name, parameter in model.named_parameters():
        if not name.startswith("early_head"):
            expected = 4.0 if name in adapters else 10.0 if name.startswith("head") else 1.0
            assert rates[id(parameter)] == expected
    optimiser = torch.optim.AdamW(groups)
    set_learning_rate(optimiser, 0.5)
    assert [g["lr"] for g in optimiser.param_groups] == [0.5 * g["factor"] for g in groups]
    assert {g["factor"] for g in groups} == {1.0, 4.0, 10.0}
    set_learning_rate(optimiser, 0.5, same_for_all=True)
    assert {g["lr"] for g in optimiser.param_groups} == {0.5}
