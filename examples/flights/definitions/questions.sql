-- One question per flight, two hours before it is due to leave.
select
  carrier,
  flight,
  origin,
  dest,
  tailnum,
  scheduled_departure - interval 2 hour as event_timestamp,
  distance_mi::double as distance_mi,
  date_diff('minute', scheduled_departure, scheduled_arrival)::double as scheduled_min,
  arr_delay_min,
  arrived_at
from processing.flights
