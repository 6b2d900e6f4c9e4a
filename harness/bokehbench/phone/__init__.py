"""All that touches a device: transports, the device itself, conditions, the launcher."""
