"""Every method by the name that configs and records use."""

from __future__ import annotations

from typing import Any

from driftseg.parts import PartTable

METHODS: PartTable[Any] = PartTable(
    "method",
    {
        "source_only": "driftseg.learners.source_only:SourceOnlySettings",
        "norm_statistics": "driftseg.learners.norm_statistics:NormStatisticsSettings",
        "tent": "driftseg.learners.tent:TentSettings",
        "dacs": "driftseg.methods.dacs:DacsSettings",
        "hamlet": "driftseg.methods.hamlet:HamletSettings",
        "replay_only": "driftseg.learners.replay_training:ReplayOnlySettings",
        "restyled_replay": "driftseg.learners.replay_training:RestyledReplaySettings",
        "auto": "driftseg.learners.auto:AutoSettings",
        "alpha_bn": "driftseg.learners.alpha_bn:AlphaBnSettings",
        "eata": "driftseg.learners.eata:EataSettings",
        "sar": "driftseg.learners.sar:SarSettings",
        "rdumb": "driftseg.learners.rdumb:RDumbSettings",
        "cotta": "driftseg.learners.cotta:CottaSettings",
        "rmt": "driftseg.learners.rmt:RmtSettings",
        "roid": "driftseg.learners.roid:RoidSettings",
        "rotta": "driftseg.learners.rotta:RottaSettings",
        "asr": "driftseg.learners.asr:AsrSettings",
        "vida": "driftseg.learners.vida:VidaSettings",
        "mic": "driftseg.methods.mic:MicSettings",
        "lae": "driftseg.methods.lae:LaeSettings",
        "bank": "driftseg.methods.bank:BankMethodSettings",
        "composed": "driftseg.methods.composed:ComposedSettings",
    },
    group="driftseg.methods",
    kind="driftseg.learners.settings:MethodSettings",
    implied={"learner": "composed", "control": "composed"},
)
"""The whole list. replay_only restyles nothing; lae, bank and composed learn by one of
the others."""
