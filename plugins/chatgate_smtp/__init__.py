"""SMTP: submission on 465 and 587 and the MX listener on 25."""
