"""The scale model: the protocols of agent/ as arrays, for a million boxes and more.

A node is a row, a cycle is one round of every live box, and an exchange happens
at once: what takes a datagram in agent/ takes a line here.  Loss, churn and sudden
death are those of sim/faults.py, drawn from one seed.  Kernels are Numba's; its
absence is one clear line (jit.py).  docs/scale.md says what is modelled, what is
not, and how it is held against the agent's own classes.
"""
