"""Processes that simulate several devices, compiled as the tests around them are."""

import os


def simulating(devices):
    """The `XLA_FLAGS` of a process that simulates so many devices on its CPU."""
    return f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
