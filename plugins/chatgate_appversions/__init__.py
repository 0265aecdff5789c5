"""chatgate_appversions: tells apps which versions of them there are, from a file the operator keeps."""
