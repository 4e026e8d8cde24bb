"""What is true of the flights of 2013, as one row of named numbers a query, with the numbers expected."""

FLIGHTS = ("""
select
  count(*) as rows,
  count(*) filter (dest in ('SJU', 'BQN', 'STT', 'PSE')) as to_airports_not_in_the_register,
  count(*) filter (cancelled) as cancelled,
  count(*) filter (diverted) as diverted,
  count(*) filter (diverted and arrived_at is not null) as diverted_with_arrival,
  count(*) filter (diverted and arrived_at is null) as diverted_without_arrival,
  count(*) filter (arr_delay_min is null) as labels_null,
  count(arrived_at) as arrived,
  count(*) filter (date_trunc('hour', scheduled_departure) = time_hour) as hour_agrees,
  count(scheduled_arrival) as scheduled_arrivals,
  count(*) filter (arrived_at <= departed_at) as arrived_before_departure,
  count(*) filter (arrived_at - departed_at > interval 24 hour) as longer_than_a_day,
  count(*) filter (tailnum is null) as tailnum_null,
  count(*) filter (tailnum is null and not cancelled) as tailnum_null_not_cancelled,
  count(*) filter (tailnum is not null and tailnum not in (select tailnum from processing.planes))
    as tailnum_not_in_planes,
  count(*) filter (tailnum = 'D942DN') as tailnum_d942dn,
  count(distinct (carrier, flight, scheduled_departure)) as keys
from processing.flights""", {
    "rows": 336776, "to_airports_not_in_the_register": 7602, "cancelled": 8255, "diverted": 1175,
    "diverted_with_arrival": 717, "diverted_without_arrival": 458, "labels_null": 9430, "arrived": 328063,
    "hour_agrees": 336776, "scheduled_arrivals": 336776, "arrived_before_departure": 0, "longer_than_a_day": 0,
    "tailnum_null": 2512, "tailnum_null_not_cancelled": 0, "tailnum_not_in_planes": 50094, "tailnum_d942dn": 4,
    "keys": 336776})

LANDED = ("""
select
  count(*) as rows,
  count(*) filter (dep_time = 2400) as departures_at_2400,
  count(*) filter (arr_time = 2400) as arrivals_at_2400,
  count(*) filter (dest not in (select faa from landing.airports)) as dest_not_in_airports
from landing.flights""", {
    "rows": 336776, "departures_at_2400": 29, "arrivals_at_2400": 150, "dest_not_in_airports": 7602})

# The clock at the destination, computed back from the instant, is the clock of the file in all rows but one: B6 35,
# whose reported arrival at 02:03 of 10 March does not exist.
CLOCKS = ("""
select
  count(*) filter (p.arrived_at is not null) as arrived,
  count(*) filter (date_part('hour', p.arrived_at at time zone a.zone) * 100
                   + date_part('minute', p.arrived_at at time zone a.zone) <> f.arr_time % 2400) as arrival_clock_differs,
  count(*) filter (date_part('hour', p.departed_at at time zone o.zone) * 100
                   + date_part('minute', p.departed_at at time zone o.zone) <> f.dep_time % 2400)
    as departure_clock_differs
from landing.flights f
join processing.airports a on a.faa = f.dest
join processing.airports o on o.faa = f.origin
join processing.flights p
  on p.carrier = f.carrier and p.flight = f.flight and p.origin = f.origin and p.time_hour = f.time_hour
  and p.scheduled_departure = make_timestamp(f.year, f.month, f.day, f.sched_dep_time // 100, f.sched_dep_time % 100, 0)
      at time zone o.zone""", {
    "arrived": 328063, "arrival_clock_differs": 1, "departure_clock_differs": 0})

ARRIVALS = ("""
select
  max(strftime(arrived_at at time zone 'UTC', '%Y-%m-%dT%H:%M')) filter (carrier = 'B6' and flight = 35
    and scheduled_departure = timestamptz '2013-03-10 02:45:00+00') as b6_35,
  max(strftime(arrived_at at time zone 'UTC', '%Y-%m-%dT%H:%M')) filter (carrier = 'VX' and flight = 413
    and scheduled_departure = timestamptz '2013-11-02 20:55:00+00') as vx_413
from processing.flights""", {"b6_35": "2013-03-10T07:03", "vx_413": "2013-11-03T08:14"})

WEATHER = ("""
select
  (select count(*) from landing.weather_raw) as landed,
  count(*) as rows,
  count(distinct (airport, observed_at)) as station_hours,
  count(*) filter (observed_at at time zone 'America/New_York' = timestamp '2013-11-03 01:00:00') as doubled_hour,
  3 * (date_diff('hour', min(observed_at), max(observed_at)) + 1)
    - (select count(*) from landing.weather_raw) as missing_station_hours,
  strftime(max(observed_at) at time zone 'UTC', '%Y-%m-%dT%H:%M') as ends
from processing.weather""", {
    "landed": 26115, "rows": 26114, "station_hours": 26114, "doubled_hour": 6, "missing_station_hours": 75,
    "ends": "2013-12-30T23:00"})

OUTCOMES = ("""
select
  count(*) as rows,
  count(outcome_known_at) as known,
  count(*) filter (outcome = 'arrived') as arrived,
  count(*) filter (outcome = 'diverted') as diverted,
  count(*) filter (outcome = 'cancelled') as cancelled,
  count(*) filter (outcome = 'cancelled' and outcome_known_at = scheduled_departure) as cancelled_known_at_departure,
  count(*) filter (outcome = 'arrived' and outcome_known_at = arrived_at) as arrived_known_at_arrival
from curated.outcomes""", {
    "rows": 336776, "known": 336776 - 458, "arrived": 327346, "diverted": 1175, "cancelled": 8255,
    "cancelled_known_at_departure": 8255, "arrived_known_at_arrival": 327346})

QUARANTINE = ("""
select
  (select count(*) from quarantine.weather) as weather,
  (select count(*) from quarantine.airports) as airports,
  (select count(*) from landing.airports_raw) as airports_landed,
  (select count(*) from landing.airports) as airports_passed,
  (select count(*) from landing.planes_raw) as planes_landed,
  (select count(*) from landing.planes) as planes_passed,
  (select count(*) from landing.planes where seats < 20) as planes_under_20_seats,
  (select count(*) from processing.airports) as airports_with_zone""", {
    # without zone: EEN LRO YAK; wrong longitude: DVT EEN MYF
    "weather": 1, "airports": 5, "airports_landed": 1458, "airports_passed": 1453, "planes_landed": 3322,
    "planes_passed": 3322, "planes_under_20_seats": 40, "airports_with_zone": 1457})

ALL = {"flights": FLIGHTS, "landed": LANDED, "clocks": CLOCKS, "arrivals": ARRIVALS, "weather": WEATHER,
       "outcomes": OUTCOMES, "quarantine": QUARANTINE}
