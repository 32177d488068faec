"""`python -m ingest` with stand-ins for models: python -m tests.crash.child ARGUMENTS. It is there to be killed."""

from __future__ import annotations

from ingest.cli import main
from tests.crash.stand_ins import put_models

if __name__ == "__main__":
    put_models()
    main()
