"""Models that meet a budget: thresholds of all routers, moved together along one number."""
