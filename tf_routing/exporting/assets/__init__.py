"""The assets of an export: model card, class names, licence."""
