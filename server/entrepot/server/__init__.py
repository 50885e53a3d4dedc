"""The registry over HTTP: the Starlette application, its server and the command line."""
