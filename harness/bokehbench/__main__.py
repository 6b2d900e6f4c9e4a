"""`python -m bokehbench`."""

from bokehbench.cli import main

if __name__ == "__main__":
    main()
