"""Real agents on this machine, each a process, on any processor: interpreters, sysroots, fleets, a pytest plugin."""
