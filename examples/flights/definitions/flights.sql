-- Local HHMM clocks become instants through the zones of the two airports.
--   scheduled_arrival  the next day where its clock is before the departure's
--   departed_at        scheduled departure + delay
--   arrived_at         scheduled arrival + delay. That needs no clock, and is right on the two nights when a clock
--                      time does not exist (10 March) or is doubled (3 November). A diverted flight has no delay:
--                      there the first such clock time after departure.
with scheduled as (
  select
    f.*,
    d.zone as dest_zone,
    make_timestamp(f.year, f.month, f.day, f.sched_dep_time // 100, f.sched_dep_time % 100, 0)
      at time zone o.zone as scheduled_departure,
    (make_timestamp(f.year, f.month, f.day, 0, 0, 0)
      + to_hours(f.sched_arr_time // 100 + case when f.sched_arr_time < f.sched_dep_time then 24 else 0 end)
      + to_minutes(f.sched_arr_time % 100)) at time zone d.zone as scheduled_arrival
  from landing.flights f
  left join processing.airports o on o.faa = f.origin
  left join processing.airports d on d.faa = f.dest
),
departed as (
  select
    s.*,
    s.scheduled_departure + to_minutes(s.dep_delay) as departed_at,
    date_trunc('day', (s.scheduled_departure + to_minutes(s.dep_delay)) at time zone s.dest_zone)
      + to_hours(s.arr_time // 100) + to_minutes(s.arr_time % 100) as clock_on_departure_day
  from scheduled s
)
select
  carrier,
  flight,
  tailnum,
  origin,
  dest,
  scheduled_departure,
  scheduled_arrival,
  departed_at,
  case
    when arr_delay is not null then scheduled_arrival + to_minutes(arr_delay)
    when clock_on_departure_day at time zone dest_zone > departed_at
      then clock_on_departure_day at time zone dest_zone
    else (clock_on_departure_day + to_hours(24)) at time zone dest_zone
  end as arrived_at,
  dep_delay as dep_delay_min,
  arr_delay as arr_delay_min,
  dep_time is null as cancelled,
  dep_time is not null and arr_delay is null as diverted,
  air_time as air_time_min,
  distance as distance_mi,
  time_hour
from departed
