"""The engine for every processor: each function becomes Python source, and MicroPython's bytecode."""
