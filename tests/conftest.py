"""What holds for every test."""

import signal

# A shell starts its background jobs with SIGINT ignored, and programs started from there inherit
# that: Ctrl-C would do nothing to a command under test. A handler of ours is not inherited.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
