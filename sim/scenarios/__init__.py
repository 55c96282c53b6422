"""Scenarios: small files, one claim each."""
