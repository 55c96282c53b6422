"""A whole emulated machine: kernel, memory, disk, power switch.

    folder = parts.provide()                       # Debian's kernel and busybox, fetched once
    machine = Machine(folder, rom, disk, memory_mb=64)
    machine.power_on()
    print(machine.run("free"))
    machine.pull()                                 # the power is gone

docs/powercut.md says what is emulated and what is not.
"""
