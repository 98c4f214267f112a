"""What travels beside an exported network: model card, class names, licence."""
