#!/usr/bin/env python3
"""make-prices.py FACTS.json > prices.txt: turns price facts into the catalogue that the gateway reads.

The facts: {"as_of": "2026-08-21", "providers": {"openai": {"gpt-4o": {"input": 2.5, "output": 10, …}}}}, in USD per million
tokens, web_search_per_call in USD per call, context and max_output in tokens. The catalogue's format is explained in
PriceCatalogue.swift. Its version is the facts' date and the beginning of the SHA-256 of what it says, so that two
catalogues of one date can be told apart.
"""

import decimal
import hashlib
import json
import sys

NAMES = [
    "input", "output", "cache_read", "cache_write", "cache_write_1h", "input_audio", "output_audio", "cache_read_audio",
    "input_image", "output_image", "reasoning", "batch_input", "batch_output", "web_search_per_call", "context", "max_output",
]


def amount(name, value):
    """Six decimals of a dollar per million tokens are a trillionth of a dollar per token: the catalogue's unit. Longer ones
    are thirds and the like, or came out of binary floats."""
    exact = decimal.Decimal(value).quantize(decimal.Decimal("0.000001"), decimal.ROUND_HALF_UP)
    if exact < 0:
        sys.exit(f"make-prices.py: {name} is negative: {value}")
    return f"{exact.normalize():f}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        facts = json.load(file, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
    lines = []
    for provider, models in sorted(facts["providers"].items()):
        lines.append(f"provider {provider}")
        for model, prices in sorted(models.items()):
            if any(character.isspace() for character in model):
                sys.exit(f"make-prices.py: {provider} has a model with a space in its name: {model!r}")
            unknown = set(prices) - set(NAMES)
            if unknown:
                sys.exit(f"make-prices.py: {provider} {model} has {', '.join(sorted(unknown))}, which the catalogue does not know")
            lines.append(" ".join([model] + [f"{name}={amount(name, prices[name])}" for name in NAMES if name in prices]))
    text = "\n".join(lines) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    print("gatehouse-prices 1")
    print(f"version {facts['as_of']}-{digest}")
    print("# Made by make-prices.py. USD per million tokens; web_search_per_call in USD; context and max_output in tokens.")
    print(text, end="")


main()
