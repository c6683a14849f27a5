"""Find repeated passages and boilerplate in scraped text."""
