"""compare.py FOLDER: what both sides of row P4 answered, row by row. Exit code 1 where a row that both have differs.

Feast's file store drops spine rows; they are counted, and must be rows whose features Icecore gives as expired or
absent in some view, for then nothing is wrong with the rest.
"""
import os
import sys

import data
import numpy as np
import pyarrow.parquet as pq


def main():
    folder = sys.argv[1]
    spine = pq.read_table(os.path.join(folder, "spine.parquet")).to_pandas()
    ours = pq.read_table(os.path.join(folder, "icecore.parquet")).to_pandas()
    command = pq.read_table(os.path.join(folder, "command.parquet")).to_pandas()
    feast = pq.read_table(os.path.join(folder, "feast.parquet")).to_pandas()
    features = [f"{name}_{i}" for name in data.VIEWS for i in range(data.FEATURES)]
    same = ours[spine.columns].equals(spine) and ours.equals(command[ours.columns])
    print(f"icecore: {len(ours):,} of {len(spine):,} spine rows, in their order; Python and command "
          f"{'equal' if same else 'DIFFER'}")
    lost = np.setdiff1d(spine["row"], feast["row"])
    repeated = len(feast) - feast["row"].nunique()
    feast = feast.drop_duplicates("row").set_index("row").sort_index()
    both = ours.set_index("row").loc[feast.index]
    differing = {name: int((~((both[name] == feast[name]) | (both[name].isna() & feast[name].isna()))).sum())
                 for name in features}
    wrong = {name: count for name, count in differing.items() if count}
    missing = ours.set_index("row").loc[lost, [f"{name}_0" for name in data.VIEWS]].isna().any(axis=1)
    print(f"feast: {len(lost):,} spine rows lost ({100 * len(lost) / len(spine):.1f} %), {int(missing.sum()):,} of them with a "
          f"view that is expired or absent; {repeated} repeated")
    print(f"values of the {len(feast):,} rows that both have: {len(feast) * len(features):,} compared, "
          f"{sum(wrong.values()):,} differ {wrong or ''}")
    return 0 if same and not wrong and missing.all() else 1


if __name__ == "__main__":
    sys.exit(main())
