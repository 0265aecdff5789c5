"""`chatgate import maddy.conf`: a Maddy's configuration, read and said again as a conf.d."""
