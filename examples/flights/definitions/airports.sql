-- Computed whole: the register, and four destinations that it lacks.
select faa, name, tzone as zone, 'nycflights13' as source
from landing.airports
union all
select faa, name, tzone as zone, source
from landing.extra_airports
