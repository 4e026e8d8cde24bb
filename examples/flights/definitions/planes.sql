select tailnum, year as built, type, manufacturer, model, engines, seats, engine as engine_type
from landing.planes
