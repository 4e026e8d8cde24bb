"""An answer of Feast's file store held against ours. It loses spine rows, and gives the others in an order of its own.

Lost may be a row that is expired or absent in some view, or one that shares its keys and its time with another row: both
are how Feast works. Everything else must be equal.
"""
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass
class Comparison:
    spine_rows: int
    lost: int
    lost_absent: int           # of these: expired or absent in some view
    lost_alike: int            # of the others: alike with another row in keys and time
    repeated: int
    values: int                # compared, of rows that both have
    differing: dict = field(default_factory=dict)

    def is_explained(self):
        return not self.differing and self.lost == self.lost_absent + self.lost_alike

    def text(self):
        return (f"feast: {self.lost:,} of {self.spine_rows:,} spine rows lost ({100 * self.lost / max(self.spine_rows, 1):.1f} %), "
                f"{self.lost_absent:,} of them with a view that is expired or absent, {self.lost_alike:,} alike with another row; "
                f"{self.repeated:,} repeated\nvalues of the rows that both have: {self.values:,} compared, "
                f"{sum(self.differing.values()):,} differ {self.differing or ''}".rstrip())


def count_differing(ours, theirs):
    theirs = theirs if theirs.type == ours.type else theirs.cast(ours.type)
    equal = pc.fill_null(pc.equal(ours, theirs), False)
    missing = pc.and_(pc.is_null(ours, nan_is_null=True), pc.is_null(theirs, nan_is_null=True))
    return len(ours) - (pc.sum(pc.or_(equal, missing)).as_py() or 0)


def rows_alike(ours, keys_and_time, among):
    """How many of the rows `among` another row shares keys and time with."""
    if not len(among):
        return 0
    table = pa.table({name: ours(name) for name in keys_and_time})
    counts = table.group_by(keys_and_time).aggregate([([], "count_all")])
    often = counts.filter(pc.greater(counts["count_all"], 1)).select(keys_and_time)
    return table.take(among).join(often, keys_and_time, join_type="left semi").num_rows


def compare(ours, theirs, row, keys_and_time, values, firsts):
    """`ours`, `theirs`: from a column's name to an array; `row` numbers the spine's rows, which ours has in that order.

    `values`: the columns to compare; `firsts`: one of each view, which is null where that view has nothing.
    """
    spine_rows = len(ours(row))
    ids = theirs(row).to_numpy(zero_copy_only=False).astype(np.int64)
    kept, first = np.unique(ids, return_index=True)
    lost = np.setdiff1d(np.arange(spine_rows), kept)
    absent = np.zeros(len(lost), bool)
    for name in firsts:
        absent |= pc.is_null(ours(name).take(lost), nan_is_null=True).to_numpy(zero_copy_only=False)
    found = Comparison(spine_rows, len(lost), int(absent.sum()), rows_alike(ours, keys_and_time, lost[~absent]),
                       len(ids) - len(kept), len(kept) * len(values))
    for name in values:
        count = count_differing(ours(name).take(kept), theirs(name).take(first))
        if count:
            found.differing[name] = count
    return found
