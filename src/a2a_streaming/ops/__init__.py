"""What operators need: how the processes are, which tasks there are, and what can be done to one."""
