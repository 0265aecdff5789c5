"""What other domains say about how mail to them is to be secured: MTA-STS (`sts`) and DANE (`dane`)."""
