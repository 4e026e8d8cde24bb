-- Questions two hours before departure, with what everybody knows then; clocks as in New York.
select
  origin,
  carrier,
  flight,
  scheduled_departure - interval 2 hour as event_timestamp,
  date_part('hour', scheduled_departure at time zone 'America/New_York') as hour,
  date_part('isodow', scheduled_departure at time zone 'America/New_York') as weekday,
  date_part('month', scheduled_departure at time zone 'America/New_York') as month,
  distance_mi,
  arr_delay_min,
  arrived_at
from processing.flights
