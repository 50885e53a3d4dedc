"""`python -m entrepot.server` is the command `entrepot`."""

from entrepot.server.cli import main

if __name__ == "__main__":
    main()
