"""`python -m a2a_streaming`."""

from a2a_streaming.cli import main

if __name__ == "__main__":
    main()
