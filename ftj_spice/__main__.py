"""`python -m ftj_spice` is the command line."""

from ftj_spice.cli.app import main

if __name__ == "__main__":
    main()
