"""`python -m rag_app`: the same as the command `rag-app`."""

from rag_app.cli import main

if __name__ == "__main__":
    main()
