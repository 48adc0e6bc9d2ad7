"""The reliability kit against several servers, on one machine: `make scoreboard`."""
