-- outcome_known_at: a delay, or a diverted flight's landing, is known when it lands. When a cancellation was announced
-- is not in the data; assumed is the scheduled departure, by which at the latest everybody at the gate knew.
-- Diverted flights without any arrival (458) have no known time and are never visible to a feature.
select
  carrier,
  flight,
  tailnum,
  origin,
  dest,
  scheduled_departure,
  case when cancelled then 'cancelled' when diverted then 'diverted' else 'arrived' end as outcome,
  arrived_at,
  dep_delay_min,
  arr_delay_min,
  air_time_min,
  case when cancelled then scheduled_departure else arrived_at end as outcome_known_at
from processing.flights
