"""chatgate_appversions: tells apps which of their versions are available, from a file that the operator keeps."""
