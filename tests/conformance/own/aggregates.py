"""What each aggregate gives, to the bit."""
from decimal import Decimal

from case_writer import Case, asked_at, rows, spine
from own.clocks import project

NAN, INF, GREATEST = float("nan"), float("inf"), 2**63 - 1


def over(column: str, *aggregates: str, windows: tuple = ("1h",), **more) -> dict:
    return {"of": column, "aggregates": list(aggregates), "windows": list(windows), **more}


def at_ten(column: str, values: list, user: int = 1) -> list[tuple]:
    """The values, a second apart, from 10:00 on."""
    return [(user, f"10:{number // 60:02}:{number % 60:02}", value) for number, value in enumerate(values)]


SPINE = spine("user_id", *asked_at(1, "10:00", "10:00:01", "10:00:02", "10:30", "11:30"))

CASES = [
    Case("240-one-and-two-rows",
         "Every aggregate over one row and over two: quantiles are values of ranks 1 and 2, deviations begin with the second.",
         project(over("x", "count", "count_distinct", "sum", "mean", "min", "max", "stddev", "variance", "first", "last", "last_n(2)", "top_n(2)",
                      "quantile(0.01)", "quantile(0.5)", "quantile(0.51)", "quantile(0.99)")),
         {"events": rows("user_id happened_at x", *at_ten("x", [3.0, -7.5]))}, SPINE),
    Case("241-quantiles-of-any-sign",
         "Quantiles of negative, zero, tiny and huge values keep sign and rank: a zero is exactly zero.",
         project(over("x", *(f"quantile({q})" for q in ("0.05", "0.25", "0.5", "0.75", "0.95", "0.999")))),
         {"events": rows("user_id happened_at x", *at_ten("x", [0.0, -1e-300, 1e300, -1e300, -0.0, 5.0, -5.0, 1e-300, 100.0, -100.0]))},
         spine("user_id", *asked_at(1, "10:00", "10:00:01", "10:00:04", "10:00:07", "10:00:09"))),
    Case("242-zeros-of-both-signs",
         "A zero sum is +0.0 whatever its parts; -0.0 is below 0.0 for min, max and top_n; first and last keep the sign.",
         project(over("x", "sum", "mean", "min", "max", "first", "last", "top_n(3)", "last_n(3)", "count_distinct")),
         {"events": rows("user_id happened_at x", *at_ten("x", [-0.0, -0.0, 0.0]), (2, "10:00", 1.5), (2, "10:01", -1.5))},
         spine("user_id", *asked_at(1, "10:00", "10:00:01", "10:00:02"), *asked_at(2, "10:01"))),
    Case("243-nan-and-infinity",
         "NaN is skipped like null by every aggregate, infinities are not: sums by IEEE, least and greatest are the infinities, variance is NaN.",
         project(over("x", "count", "sum", "mean", "min", "max", "variance", "stddev", "first", "last", "last_n(2)", "top_n(2)", "count_distinct")),
         {"events": rows("user_id happened_at x", *at_ten("x", [NAN, 1.0, INF, NAN, 2.0, -INF, NAN]))},
         spine("user_id", *asked_at(1, "10:00", "10:00:01", "10:00:02", "10:00:04", "10:00:05", "10:00:06"))),
    Case("244-infinities-leave-again",
         "When an infinity has left a window, nothing of it is left in sums and means.",
         project(over("x", "sum", "mean", "variance", "max", hop="0s")),
         {"events": rows("user_id happened_at x", (1, "10:00", INF), (1, "10:10", -INF), (1, "10:20", 0.1), (1, "10:30", 0.2))},
         spine("user_id", *asked_at(1, "10:05", "10:15", "10:59:59.999999", "11:00", "11:10", "11:20", "11:30"))),
    Case("245-sums-are-exact",
         "A float sum is the exact one rounded once: cancellation, ties to even, subnormals and overflow on the way leave no error.",
         project(over("x", "sum", "mean")),
         {"events": rows("user_id happened_at x", *at_ten("x", [1e16, 1.0, -1e16], 1), *at_ten("x", [0.1] * 10, 2), *at_ten("x", [2.0**53, 1.0, 1e-300], 3),
                         *at_ten("x", [2.0**53, 1.0], 4), *at_ten("x", [1.7976931348623157e308, 1.7976931348623157e308, -1.7976931348623157e308], 5),
                         *at_ten("x", [5e-324, 5e-324, -1e-323], 6), *at_ten("x", [1e300, 1.0, -1e300, 1e-300], 7), *at_ten("x", [5e-324, 0.0], 8))},
         spine("user_id", *((user, "10:30") for user in range(1, 9)))),
    Case("246-overflow-on-the-way",
         "Of integer sums the total decides, not the way to it; a mean of integers is exact beyond int64.",
         project(over("n", "sum", "mean", "min", "max", hop="0s")),
         {"events": rows("user_id happened_at n", (1, "10:00", GREATEST), (1, "10:00", GREATEST), (1, "10:00", -GREATEST), (1, "10:30", -GREATEST - 1), (1, "10:40", 1))},
         spine("user_id", *asked_at(1, "10:00", "10:30", "10:40", "11:00", "11:30"))),
    Case("247-means-beyond-int64",
         "A mean of integers does not overflow, though their sum would.",
         project(over("n", "mean", "stddev", "variance")),
         {"events": rows("user_id happened_at n", *at_ten("n", [GREATEST, GREATEST, GREATEST]), *at_ten("n", [GREATEST, -GREATEST - 1], 2), *at_ten("n", [2**53 + 1, 2**53 + 1], 3))},
         spine("user_id", *((user, "10:30") for user in range(1, 4)))),
    Case("248-negative-overflow",
         "An integer sum below the least int64 is an error, as one above the greatest is.",
         project({"name": "total", "aggregate": "sum", "of": "n", "windows": ["1h"]}),
         {"events": rows("user_id happened_at n", (1, "10:00", -GREATEST - 1), (1, "10:01", -1))},
         spine("user_id", (1, "10:30")), error_at=["run", "training-set"]),
    Case("249-float32",
         "float32 keeps its type as of t, for least, greatest, first and last; sums and means of it are float64, exact.",
         project("x", over("x", "sum", "mean", "min", "max", "first", "last", "variance", "last_n(2)", "top_n(2)", "count_distinct")),
         {"events": rows("user_id happened_at x:float32", *at_ten("x", [0.1, 0.2, 16777216.0, 1.0, -0.0, 1e-45, 3.4028234663852886e38]))}, SPINE),
    Case("250-narrow-integers",
         "Integers of 16 and 32 bits are summed as int64; least, greatest, first and last keep their width.",
         project("small", over("small", "sum", "min", "max", "mean", "last_n(2)"), over("middle", "sum", "first", "top_n(2)", "count_distinct")),
         {"events": rows("user_id happened_at small:int16 middle:int32", (1, "10:00", 32767, 2**31 - 1), (1, "10:00:01", 32767, 2**31 - 1), (1, "10:00:02", -32768, -2**31))}, SPINE),
    Case("251-distinct-to-the-last",
         "count_distinct is exact up to 256 values: at 49, 50, 51, 255 and 256, of integers, texts and floats, repeats and null apart.",
         project(over("n", "count_distinct"), over("word", "count_distinct"), over("x", "count_distinct")),
         {"events": rows("user_id happened_at n word x", *((user, f"10:{i % 60:02}", i % limit - 7, f"w{i % limit}", (i % limit) / 8 - 1)
                                                           for user, limit in enumerate((49, 50, 51, 255, 256), 1) for i in range(0, limit + 40, 1)),
                         (1, "10:30", None, None, None), (2, "10:30", None, None, NAN), (3, "10:30", -7, "w0", -1.0))},
         spine("user_id", *((user, "10:59:59") for user in range(1, 6)))),
    Case("252-distinct-of-equals",
         "-0.0 and 0.0 are one value, NaN none; texts differ by bytes: case, composed and decomposed letters, spaces.",
         project(over("x", "count_distinct"), over("word", "count_distinct")),
         {"events": rows("user_id happened_at x word", *((1, f"10:00:{number:02}", x, word) for number, (x, word) in enumerate(
             [(0.0, "é"), (-0.0, "e\u0301"), (NAN, "E\u0301"), (1.0, ""), (1.0, " "), (None, None), (5e-324, "a"), (INF, "a "), (-INF, "a\0")])))},
         spine("user_id", *asked_at(1, "10:00", "10:00:01", "10:00:02", "10:00:04", "10:00:05", "10:30"))),
    Case("253-ties-of-last-n",
         "last_n goes by (e, a, sequence) and is told oldest first; equal moments are ordered by known time, then by arrival.",
         project(over("x", "last_n(1)", "last_n(3)", "last_n(10)", "first", "last"), known_at="told_at"),
         {"events": rows("user_id happened_at told_at x", (1, "10:00", "10:02", 1.0), (1, "10:00", "10:01", 2.0), (1, "10:00", "10:01", 3.0), (1, "09:59", "10:05", 4.0),
                         (1, "10:00", "10:00", 5.0), (1, "10:00:00.000001", "10:00:30", None), (1, "10:00:00.000001", "10:00:40", NAN))},
         spine("user_id", *asked_at(1, "10:00", "10:00:59", "10:01", "10:02", "10:05", "10:58", "11:06"))),
    Case("254-ties-of-top-n",
         "top_n descends and keeps repeats, zeros of both signs in order; fewer rows than n give fewer values.",
         project(over("x", "top_n(1)", "top_n(2)", "top_n(5)"), over("n", "top_n(3)")),
         {"events": rows("user_id happened_at x n", (1, "10:00", 0.0, -1), (1, "10:00", -0.0, GREATEST), (1, "10:00", 2.0, GREATEST), (1, "10:01", 2.0, None),
                         (1, "10:02", NAN, -GREATEST - 1), (1, "10:03", None, 0), (1, "10:04", -INF, 1), (1, "10:05", INF, 2))},
         spine("user_id", *asked_at(1, "09:59", "10:00", "10:01", "10:03", "10:04", "10:05", "11:06"))),
    Case("255-texts-by-bytes",
         "Least and greatest of texts go by UTF-8 bytes: U+1F642 above U+FFFF, which UTF-16 orders the other way; the empty text is least.",
         project(over("word", "min", "max", "first", "last", "last_n(3)", "count")),
         {"events": rows("user_id happened_at word", *at_ten("word", ["\uffff", "🙂", "z", "Z", None, "", "é", "e\u0301", "a\0", "a"]))},
         spine("user_id", *asked_at(1, "10:00", "10:00:01", "10:00:02", "10:00:04", "10:00:05", "10:00:09"))),
    Case("256-decimals-in-windows",
         "Sums of decimals are decimals of the same scale, to the last of 38 digits; means and deviations are the floats nearest to the exact ones.",
         project("price", over("price", "sum", "mean", "min", "max", "variance", "stddev", "first", "last_n(2)", "count_distinct"), over("big", "sum", "max", "mean")),
         {"events": rows("user_id happened_at price:decimal(10,2) big:decimal(38,10)", *((1, f"10:00:{number:02}", None if p is None else Decimal(p), None if b is None else Decimal(b))
                                                                                        for number, (p, b) in enumerate([("0.10", "1234567890123456789012345678.0123456789"), ("0.20", "0.0000000001"),
                                                                                        (None, None), ("-99999999.99", "-1234567890123456789012345678.0123456789"), ("99999999.99", "-0.0000000001"), ("0.10", "7")])))},
         spine("user_id", *asked_at(1, "09:59", "10:00", "10:00:01", "10:00:02", "10:00:03", "10:00:04", "10:30", "11:30"))),
    Case("257-variance-at-the-edges",
         "Variances are exact and rounded once: equal values give 0.0, values a unit in the last place apart do not, tiny and huge ones neither vanish nor overflow early.",
         project(over("x", "variance", "stddev", "mean")),
         {"events": rows("user_id happened_at x", *at_ten("x", [0.1, 0.1, 0.1], 1), *at_ten("x", [1.0, 1.0000000000000002], 2), *at_ten("x", [1e-160, 3e-160], 3),
                         *at_ten("x", [1e-200, 3e-200], 4), *at_ten("x", [1e153, -1e153], 5), *at_ten("x", [1e200, -1e200], 6), *at_ten("x", [1e15 + 0.125, 1e15 + 0.25, 1e15 + 0.375], 7))},
         spine("user_id", *((user, "10:30") for user in range(1, 8)))),
    Case("258-same-rows-same-bits",
         "What has left a window leaves no trace: a key that saw huge values and one that never did answer with the same bits.",
         project(over("x", "sum", "mean", "stddev", "variance", windows=("1h", "12h"))),
         {"events": rows("user_id happened_at x", *((1, f"00:{i:02}", 1e300 / (i + 1) * (-1) ** i) for i in range(20)), *((1, f"20:{i:02}", 0.1 * i) for i in range(20)),
                         *((2, f"20:{19 - i:02}", 0.1 * i) for i in range(20)))},
         spine("user_id", *((user, "20:59") for user in (1, 2)))),
]
