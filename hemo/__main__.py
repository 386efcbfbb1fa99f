"""``python -m hemo`` is the ``hemo`` command."""

from hemo.cli import main

if __name__ == "__main__":
    main()
