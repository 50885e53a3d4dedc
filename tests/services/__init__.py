"""Storage servers on loopback for the tests: started by `run.py`, found by `running.py`."""
