"""What this agent is among firmwares: its sequence number.

The package's build writes SOURCE_DATE_EPOCH here, so that an agent in ROM knows
whether a slot is older than itself.
"""

# UNIX seconds of the release; 0 in the repository.
SEQUENCE = 0
