"""Netlists from Jinja templates: strict rendering, arrays and test benches."""
