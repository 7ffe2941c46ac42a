"""`python -m descent` is the command `descent`."""

from descent.cli import main

if __name__ == "__main__":
    main()
