"""A small project: orders of customers, and what is asked about them."""
import os
import random

ICECORE = """language: 1
project: shop
lake: lake
catalog: .icecore/catalog.db
online: "lmdb:.icecore/online?map_bytes=67108864"
"""

DEFINITIONS = """entity: customer
keys: [{name: customer_id, type: int64}]
---
entity: city
keys: [{name: city, type: string}]
---
source: orders
from:
  files: {path: "data/orders.csv", format: csv}
contract:
  columns:
    - {name: customer_id, type: int64, required: true}
    - {name: city, type: string}
    - {name: ordered_at, type: timestamp, required: true}
    - {name: amount, type: float64}
    - {name: price, type: "decimal(12, 2)"}
---
table: orders
zone: processing
description: What was ordered
sql: select * from landing.orders
mode: append
---
feature_view: customers
entity: customer
from: processing.orders
event_time: ordered_at
online: true
features:
  - amount
  - price
  - {name: spent, aggregate: sum, of: amount, windows: [1h, 1d]}
  - {name: orders, aggregate: count, windows: [1d]}
---
feature_view: cities
entity: city
from: processing.orders
event_time: ordered_at
online: true
features:
  - {name: city_mean, aggregate: mean, of: amount, windows: [7d]}
---
feature_view: ratio
inputs: [customers.amount]
request: [{name: basket, type: float64}]
features:
  - {name: basket_by_last, expression: "basket / amount"}
---
feature_service: shop
features: [customers, cities, ratio]
---
feature_service: towns
features: [{view: cities, prefix: town_}]
---
training_set: spending
service: shop
spine: |
  select customer_id, city, ordered_at + interval 1 hour as event_timestamp, 5.0::double as basket, amount > 250 as label
  from processing.orders
sample: {fraction: 0.5, by: [customer_id], seed: 1}
---
test: last_order
given:
  processing.orders:
    - {customer_id: 1, city: Oslo, ordered_at: "2024-01-05T10:00:00Z", amount: 2.5, price: "3.00"}
ask: {service: shop, at: "2024-01-05T12:00:00Z", customer_id: 1, city: Oslo, basket: 5}
expect: {amount: 2.5, basket_by_last: 2}
"""

CITIES = ["Oslo", "Zürich", "São Paulo", "名古屋", ""]
NOW = "2024-03-01T00:00:00Z"


def write(folder: str, rows: int = 3000) -> None:
    """The project, with orders of January and February 2024 that the seed draws."""
    chance = random.Random(7)
    for name, text in (("icecore.yaml", ICECORE), ("definitions/all.yaml", DEFINITIONS)):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    with open(os.path.join(folder, "data", "orders.csv"), "w", encoding="utf-8") as file:
        file.write("customer_id,city,ordered_at,amount,price\n")
        for _ in range(rows):
            second = chance.randrange(60 * 86400)
            day, rest = divmod(second, 86400)
            month, date = (1, day + 1) if day < 31 else (2, day - 30)
            city = chance.choice(CITIES)
            amount = "" if chance.random() < 0.05 else f"{chance.uniform(1, 500):.3f}"
            file.write(f"{chance.randrange(200)},{city},2024-{month:02d}-{min(date, 29):02d}T{rest // 3600:02d}:"
                       f"{rest % 3600 // 60:02d}:{rest % 60:02d}Z,{amount},{chance.uniform(1, 99):.2f}\n")


def spine_columns(rows: int = 500) -> dict:
    """Columns of a spine, as Python values: keys known and unknown, times as datetimes in UTC, a label."""
    import datetime
    chance = random.Random(11)
    begin = datetime.datetime(2024, 1, 10, tzinfo=datetime.timezone.utc)
    return {"customer_id": [chance.randrange(220) for _ in range(rows)],
            "city": [chance.choice(CITIES + ["nowhere"]) for _ in range(rows)],
            "event_timestamp": [begin + datetime.timedelta(microseconds=chance.randrange(45 * 86400 * 10**6))
                                for _ in range(rows)],
            "basket": [round(chance.uniform(1, 300), 2) for _ in range(rows)],
            "label": [chance.random() < 0.5 for _ in range(rows)]}
