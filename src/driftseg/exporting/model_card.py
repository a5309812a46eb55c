"""The README.md of a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_CARD = """---
library_name: transformers
pipeline_tag: image-segmentation
tags:
- semantic-segmentation
- segformer
- driftseg
---
# {title}

SegFormer for semantic segmentation: a {encoder} encoder and the all-MLP head. The image comes in
as RGB; `preprocessor_config.json` says how it is normalised. Logits have a quarter of its size.

## Classes

{classes}

## How it was made

{made}

## How to load it

```python
from transformers import AutoImageProcessor, SegformerForSemanticSegmentation

processor = AutoImageProcessor.from_pretrained("THIS_FOLDER")
model = SegformerForSemanticSegmentation.from_pretrained("THIS_FOLDER").eval()
logits = model(**processor(image, return_tensors="pt")).logits
```

```python
import driftseg

model = driftseg.load_model("THIS_FOLDER")
```

## Licence

Not stated. It depends on the weights that the model started from and on the images that it learnt
from. Whoever publishes it has to say it here.
"""


def model_card(encoder: str, classes: Sequence[str], made: Mapping[str, str]) -> str:
    """The text.

    Args:
        encoder: its name.
        classes: names in id order.
        made: facts on how the model was made, by their names; the first is its title.
    """
    facts = dict(made)
    title = facts.pop("title", "SegFormer")
    rows = "\n".join(f"| {number} | {name} |" for number, name in enumerate(classes))
    return _CARD.format(
        title=title, encoder=encoder, classes=f"| id | class |\n|---|---|\n{rows}",
        made="\n".join(f"* {name}: {text}" for name, text in facts.items()),
    )  # fmt: skip
