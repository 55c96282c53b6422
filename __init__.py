"""Backfence: a peer-to-peer cloud on the boxes an ISP already owns."""
