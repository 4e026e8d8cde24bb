"""The small project that several runners of this folder push to: clicks of users, and a view that is served."""
from string import Template

DEFINITIONS = Template("""\
source: clicks
from: {push: {}}
contract:
  columns:
    - {name: user, type: string, required: true}
    - {name: at, type: timestamp, required: true}
    - {name: n, type: int64$bounds}
    - {name: price, type: "decimal(38,18)"}
---
table: clicks
zone: processing
mode: append
sql: select "user", "at", n from landing.clicks
---
entity: user
keys: [{name: user, type: string}]
---
feature_view: seen
entity: user
from: processing.clicks
event_time: at
online: true
features: $features
---
feature_service: model
features: [seen]
""")


def definitions(features: str = "[n]", between: str | None = None) -> str:
    """features as the view lists them; between: what the contract allows of n."""
    return DEFINITIONS.substitute(features=features, bounds="" if between is None else f", between: {between}")
