"""For tests with hypothesis: a machine that is slow for a moment fails none of them."""

from hypothesis import HealthCheck, settings

patient = settings(database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
