"""Backups of the whole gateway: made beside it, sealed, proven, restored; and the way from one version to another."""
