"""The dashboards: a table of panels, and what makes Grafana's JSON of it."""
