"""The plugin metrics: shows what the gateway counts and measures, and keeps its history."""
