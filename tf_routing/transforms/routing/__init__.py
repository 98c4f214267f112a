"""Routing for networks that were made elsewhere: blocks that are skipped, and exits at which images leave."""
