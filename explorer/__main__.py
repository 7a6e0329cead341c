"""The entry point of `python -m explorer`."""

import os
import sys

if __name__ == "__main__":
    # Threads that spin while they wait slow each other down many times over when other work shares the cores. Read when
    # torch is first imported, so it is set before that.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from explorer.cli import main

    sys.exit(main())
