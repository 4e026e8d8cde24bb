#!/usr/bin/env python3
"""What leakage does to a model's apparent error.

A least-squares model of the arrival delay, learned anew for each month from the months before, with the mean delay of
the origin's last three hours as a feature, in three forms:

  on paper  leaky_delay_3h    by scheduled departure, as if a delay were known the moment a flight should leave
  in use    served_delay_3h   what the model on paper is given when somebody asks
  honest    honest_delay_3h   counted from the moment a delay was known; the same on paper and in use

    icecore training-set leakage_study --out study.parquet
    python leakage.py study.parquet --svg leakage.svg

Needs pyarrow and nothing else. Prints the figures, and draws them with --svg FILE.
"""
import argparse
import math

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

LABEL = "arr_delay_min"
TEXTS = ["carrier", "origin", "hour", "weekday"]      # what everybody knows two hours before departure
FORMS = {"on paper": "leaky_delay_3h", "in use": "served_delay_3h", "honest": "honest_delay_3h"}
MONTHS = range(4, 12)
RIDGE = 10.0


def columns(table, levels, feature):
    """The intercept, the distance, a 0/1 column per level of each text but the first; then the feature, 0 where it is
    null (no flight), and whether it is null."""
    out = [pa.chunked_array([pa.array([1.0] * table.num_rows)]),
           pc.divide(pc.cast(table["distance_mi"], pa.float64()), 1000.0)]
    for name in TEXTS:
        texts = pc.cast(table[name], pa.string())
        out += [pc.cast(pc.equal(texts, level), pa.float64()) for level in levels[name]]
    if feature:
        values = pc.cast(table[feature], pa.float64())
        out += [pc.fill_null(pc.divide(values, 20.0), 0.0), pc.cast(pc.is_null(values), pa.float64())]
    return out


def dot(a, b):
    return pc.sum(pc.multiply(a, b)).as_py()


class Equations:
    """The normal equations of rows; those of several months add up."""

    def __init__(self, size):
        self.matrix = [[0.0] * (size + 1) for _ in range(size)]

    def add(self, table, features):
        label = pc.cast(table[LABEL], pa.float64())
        for i, feature in enumerate(features):
            for j in range(i, len(features)):
                product = dot(feature, features[j])
                self.matrix[i][j] += product
                self.matrix[j][i] += product if i != j else 0.0
            self.matrix[i][-1] += dot(feature, label)

    def solve(self):
        """Weights, by elimination with pivots."""
        rows = [list(row) for row in self.matrix]
        for i, row in enumerate(rows):
            row[i] += RIDGE if i else 0.0      # the intercept is not held back
        for i in range(len(rows)):
            pivot = max(range(i, len(rows)), key=lambda row: abs(rows[row][i]))
            rows[i], rows[pivot] = rows[pivot], rows[i]
            for j in range(len(rows)):
                if j != i and rows[j][i]:
                    factor = rows[j][i] / rows[i][i]
                    rows[j] = [x - factor * y for x, y in zip(rows[j], rows[i])]
        return [row[-1] / row[i] for i, row in enumerate(rows)]


def errors(table, weights, features):
    """Sum of the squared errors, and of the errors."""
    guess = pc.multiply(features[0], weights[0])
    for weight, feature in zip(weights[1:], features[1:]):
        guess = pc.add(guess, pc.multiply(feature, weight))
    off = pc.subtract(guess, pc.cast(table[LABEL], pa.float64()))
    return dot(off, off), pc.sum(off).as_py()


def study(table):
    """{form: {month: root mean squared error}}, and the same over all months under "all"; with the mean error."""
    table = table.filter(pc.equal(table["label_status"], "known"))
    levels = {name: sorted(pc.unique(pc.cast(table[name], pa.string())).to_pylist())[1:] for name in TEXTS}
    months = {month: table.filter(pc.equal(table["month"], month)).combine_chunks()
              for month in range(1, max(MONTHS) + 1)}
    learned = {"none": None, "leaky": FORMS["on paper"], "honest": FORMS["honest"]}
    asked = {"none": ("none", None), "on paper": ("leaky", FORMS["on paper"]), "in use": ("leaky", FORMS["in use"]),
             "honest": ("honest", FORMS["honest"])}
    equations, result = {}, {form: {} for form in asked}
    totals = {form: [0.0, 0.0, 0] for form in asked}
    for month, rows in months.items():
        if month in MONTHS:
            weights = {name: equation.solve() for name, equation in equations.items()}
            for form, (model, feature) in asked.items():
                squares, sums = errors(rows, weights[model], columns(rows, levels, feature))
                result[form][month] = (math.sqrt(squares / rows.num_rows), sums / rows.num_rows)
                totals[form] = [a + b for a, b in zip(totals[form], (squares, sums, rows.num_rows))]
        for name, feature in learned.items():
            features = columns(rows, levels, feature)
            equations.setdefault(name, Equations(len(features))).add(rows, features)
    for form, (squares, sums, count) in totals.items():
        result[form]["all"] = (math.sqrt(squares / count), sums / count)
    return result


LINES = {"on paper": ("#d9822b", "leaky, on paper"), "in use": ("#a6341b", "leaky, in use"),
         "honest": ("#1b6f9c", "honest, on paper and in use"), "none": ("#777777", "no delay as a feature")}
NAMES = {4: "Apr", 5: "May", 6: "Jun", 7: "Jul", 8: "Aug", 9: "Sep", 10: "Oct", 11: "Nov"}


def draw(result, path):
    """A line per form over the months, as plain SVG."""
    left, right, top, bottom, low, high = 60, 620, 70, 330, 25, 60
    across = lambda month: left + (month - MONTHS[0]) * (right - left) / (len(MONTHS) - 1)
    down = lambda value: bottom - (value - low) * (bottom - top) / (high - low)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" width="860" height="380" viewBox="0 0 860 380" '
           'font-family="sans-serif" font-size="13" fill="#222">', '<rect width="860" height="380" fill="#fff"/>',
           '<text x="24" y="28" font-size="17">Error of a model of arrival delays, month by month</text>',
           '<text x="24" y="48" fill="#666">root mean squared error in minutes; each month by a model of the months '
           'before</text>']
    for value in range(low, high + 1, 5):
        out.append(f'<line x1="{left}" x2="{right}" y1="{down(value):.1f}" y2="{down(value):.1f}" stroke="#e5e5e5"/>'
                   f'<text x="{left - 10}" y="{down(value) + 4:.1f}" text-anchor="end" fill="#666">{value}</text>')
    for month in MONTHS:
        out.append(f'<text x="{across(month):.1f}" y="{bottom + 24}" text-anchor="middle">{NAMES[month]}</text>')
    for row, (form, (color, text)) in enumerate(LINES.items()):
        points = " ".join(f"{across(month):.1f},{down(result[form][month][0]):.1f}" for month in MONTHS)
        dash = ' stroke-dasharray="5 4"' if form == "none" else ""
        out.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2.5"{dash}/>')
        y = top + 12 + row * 42
        out.append(f'<line x1="{right + 24}" x2="{right + 50}" y1="{y}" y2="{y}" stroke="{color}" '
                   f'stroke-width="2.5"{dash}/><text x="{right + 58}" y="{y + 4}">{text}</text>'
                   f'<text x="{right + 58}" y="{y + 21}" fill="#666">{result[form]["all"][0]:.1f} over all</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(out + ["</svg>"]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="what `icecore training-set leakage_study` wrote")
    parser.add_argument("--svg", metavar="FILE", help="draw the figures")
    arguments = parser.parse_args()
    result = study(pq.read_table(arguments.study))
    print(f"{'RMSE, minutes':<28}" + "".join(f"{NAMES[month]:>7}" for month in MONTHS) + "    all  mean error")
    for form, (_, text) in LINES.items():
        print(f"{text:<28}" + "".join(f"{result[form][month][0]:7.1f}" for month in MONTHS) +
              f"{result[form]['all'][0]:7.1f}{result[form]['all'][1]:+12.1f}")
    if arguments.svg:
        draw(result, arguments.svg)


if __name__ == "__main__":
    main()
