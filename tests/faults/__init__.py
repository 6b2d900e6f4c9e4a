"""Every step of a run met by every fault: what comes of it, and how soon."""
