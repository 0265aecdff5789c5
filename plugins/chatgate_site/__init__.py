"""The website of a gateway: invitations, `POST /new`, autoconfig, and pages about the server and the data it keeps."""
