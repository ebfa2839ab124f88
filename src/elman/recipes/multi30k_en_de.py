"""Translation from English into German: captions of photographs, Multi30k.

    A little girl climbing into a wooden playhouse. -> Ein kleines Mädchen klettert in ein Spielhaus aus Holz.

The data of multi30k_de_en the other way round, which is the way of the published scores.

Published, BLEU on this test part: text alone, a GRU with attention 33 to 37, tokenised and in lower case (Elliott et
al. 2017, W17-4718); letters as in the data, as here, count a little lower.
"""

from __future__ import annotations

from elman.recipes.multi30k_de_en import FILES, SETTINGS
from elman.recipes.recipe import Published, Recipe, as_published

RECIPE = Recipe(
    name="multi30k_en_de",
    about="captions from English into German",
    folder="multi30k_en_de",
    licence="CC BY-NC-SA 4.0",
    files=FILES,
    source="text.bpe:en",
    target="text.bpe:de",
    prepare=as_published("train.en+train.de", "val.en+val.de", "test_2016_flickr.en+test_2016_flickr.de"),
    settings=SETTINGS,
    minutes=120,
    published=(Published("GRU with attention, tokenised, lower case", "bleu", 33.0),),
)
