"""The Streamlit app: a script a page in `pages`, and beside it what pages share."""
