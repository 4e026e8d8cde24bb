-- time_hour is an instant. The local hour is not: 01:00 of 3 November is two hours, and both are rows.
select
  origin as airport,
  time_hour as observed_at,
  temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip, pressure, visib
from landing.weather
