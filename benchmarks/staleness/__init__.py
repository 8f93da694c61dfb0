"""Are results ever served stale, or ever computed again without need? Campaigns that count."""
