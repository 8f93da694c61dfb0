"""How large tests are: small by default, larger with ``-m campaign``."""

import pytest
from hypothesis import settings

from sweeps.declaration import checks

# keep="results" does all that keep="both" does, and more.
KEEPS = [
    pytest.param(keep, marks=[] if keep == "results" else pytest.mark.campaign)
    for keep in checks.KEEP
]


def few(n):
    """Try `n` examples of a costly law; in a campaign as many as of all others."""
    in_campaign = settings.get_profile("campaign").max_examples
    return settings(max_examples=in_campaign if settings().max_examples == in_campaign else n)


def examples(n):
    """Try `n` examples in a campaign, and as small a share of them else as of all others, but 3."""
    return settings(max_examples=max(3, n * settings().max_examples // 100))
