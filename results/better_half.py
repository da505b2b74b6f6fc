"""The mean of the better half of the seeds, which the beta-VAE paper reports, beside the plain one.

Higgins et al., beta-VAE, ICLR 2017, https://openreview.net/forum?id=Sy2fzU9gl, table 1: of thirty
scores, ten seeds with three classifiers each, the worst half is dropped (read in notes on the
paper, not in the paper itself). Here a seed has one score: its classifier has one optimum.
"""

from collections.abc import Mapping

import pandas as pd

from results.aggregate import LINE, with_variants

SUFFIX = " (better half)"


def with_better_half(frame: pd.DataFrame, higher: Mapping[str, bool]) -> pd.DataFrame:
    """Return `tidy` with a metric more for each, of the better half of each line's seeds.

    Of n seeds the worst n // 2 are dropped, metric by metric; of equal ones the later.

    Args:
        frame: what `tidy` returned.
        higher: by metric, whether higher is better; others have no better half.
    """
    frame = with_variants(frame)
    scored = frame[frame["value"].notna() & frame["metric"].isin([*higher])]
    signs = scored["metric"].map({name: 1 if up else -1 for name, up in higher.items()})
    ranked = scored.assign(good=signs * scored["value"]).groupby([*LINE, "metric"], dropna=False)
    place, n = (
        ranked["good"].rank(method="first", ascending=False),
        ranked["good"].transform("size"),
    )
    better = scored[place <= n - n // 2]
    more = better.assign(metric=better["metric"] + SUFFIX)
    return pd.concat([frame, more], ignore_index=True).drop(columns="variant")
