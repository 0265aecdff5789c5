"""chatgate_doctor: the DNS records of each domain, whether they are there, and why mail does not arrive."""
