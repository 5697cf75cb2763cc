"""Gathers fonts, word lists and wallpapers from package registries for ``training.synth``.

    python -m training.ingredients --out ingredients

``sources.tsv`` lists what is taken: one row a source, so adding a font is adding a row. Packages come through the
ordinary clients (npm, pip, apt-get) by name. See ``training/INGREDIENTS.md``.
"""
