"""Where the registry listens and who takes connections there: sockets, TLS, servers, workers."""
