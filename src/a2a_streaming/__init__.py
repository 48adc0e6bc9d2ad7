"""A2A task streams that outlive processes and connections, with Redis in the middle."""
