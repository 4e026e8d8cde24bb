"""How an answer of the binary is compared with one of the reference: by bits."""
import datetime
import math
import struct
from decimal import Decimal

from reference import INF, Feature

SHOWN = 20                          # differences of a project that are printed


def bits(value):
    """What is compared: floats by their bits, all NaN alike."""
    if isinstance(value, list):
        return [bits(one) for one in value]
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    return value


def same(feature: Feature, got, want) -> bool:
    if feature.aggregate == "quantile" and isinstance(got, float) and isinstance(want, float) and math.isfinite(want):
        return abs(got - want) <= 0.01 * abs(want)
    return type(got) is type(want) and bits(got) == bits(want)


def rfc3339(micros: int) -> str:
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds") + "Z"


class Comparison:
    def __init__(self, seed: str):
        self.seed, self.passed, self.failed = seed, 0, 0

    def compare(self, view, want: dict, got: dict, where: str) -> None:
        wrong = [(feature, got[f"{view.name}_{feature.name}"], want[feature.name]) for feature in view.features
                 if not same(feature, got[f"{view.name}_{feature.name}"], want[feature.name])]
        if not wrong:
            self.passed += 1
            return
        self.failed += 1
        if self.failed <= SHOWN:
            feature, have, expected = wrong[0]
            print(f"seed {self.seed}: {where}: {view.name}_{feature.name} ({feature.aggregate or 'as of'} of {feature.of}): "
                  f"got {have!r}, expected {expected!r}")


def from_json(value):
    if isinstance(value, list):
        return [from_json(one) for one in value]
    return {"NaN": math.nan, "Infinity": INF, "-Infinity": -INF}.get(value, value) if isinstance(value, str) else value


def as_typed(view, want: dict, got: dict) -> dict:
    """JSON writes 1.0 as it likes and a float32 by its own shortest text."""
    out = dict(got)
    for feature in view.features:
        name = f"{view.name}_{feature.name}"
        out[name] = typed(got[name], want[feature.name], feature)
    return out


def typed(value, want, feature: Feature):
    if isinstance(value, list) and isinstance(want, list):
        return [typed(one, like, feature) for one, like in zip(value, want)] if len(value) == len(want) else value
    if isinstance(want, Decimal) and isinstance(value, str):
        return Decimal(value)
    if isinstance(want, float) and isinstance(value, (int, float)):
        value = float(value)
        narrow = feature.of == "g" and feature.aggregate not in ("sum", "mean", "stddev", "variance", "quantile")
        return struct.unpack("f", struct.pack("f", value))[0] if narrow and math.isfinite(value) else value
    return value
