"""The templates (bottle's SimpleTemplate), style sheet and icon; a package so that they are installed with it."""
