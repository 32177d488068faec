"""The script for `streamlit run streamlit_app.py`."""

from rag_app.ui.app import main

main()
