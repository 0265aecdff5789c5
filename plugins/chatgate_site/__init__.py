"""The website of a gateway: invitations, `POST /new`, autoconfig, what this server is and what it keeps."""
