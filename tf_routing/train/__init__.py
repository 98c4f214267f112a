"""Trains networks of the zoo by recipes, on one device or several, and continues runs that stopped."""
