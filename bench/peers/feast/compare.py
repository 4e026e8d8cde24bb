"""compare.py FOLDER: what both sides of row P4 answered, row by row. Exit code 1 where a row that both have differs, or
one is lost for no reason that lost_rows.py knows.
"""
import os
import sys

import data
import lost_rows
import pyarrow.parquet as pq


def main():
    folder = sys.argv[1]

    def read(name):
        return pq.read_table(os.path.join(folder, f"{name}.parquet"))
    spine, ours, command, feast = (read(name) for name in ("spine", "icecore", "command", "feast"))
    frame = ours.to_pandas()
    same = frame[spine.column_names].equals(spine.to_pandas()) and frame.equals(command.to_pandas()[frame.columns])
    print(f"icecore: {ours.num_rows:,} of {spine.num_rows:,} spine rows, in their order; Python and command "
          f"{'equal' if same else 'DIFFER'}")
    found = lost_rows.compare(lambda name: ours.column(name).combine_chunks(), lambda name: feast.column(name).combine_chunks(),
                              "row", sorted({*data.VIEWS.values(), "event_timestamp"}),
                              [f"{name}_{i}" for name in data.VIEWS for i in range(data.FEATURES)],
                              [f"{name}_0" for name in data.VIEWS])
    print(found.text())
    return 0 if same and found.is_explained() else 1


if __name__ == "__main__":
    sys.exit(main())
