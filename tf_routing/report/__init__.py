"""The report of a finished run: one page of HTML that needs nothing beside it, for people to look at."""
