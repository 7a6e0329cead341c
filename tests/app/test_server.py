"""What the server lets in, as Streamlit reads it from the folder that the app is started in."""

import tomllib
from pathlib import Path

SETTINGS = tomllib.loads((Path(__file__).parents[2] / ".streamlit/config.toml").read_text())


def test_it_is_for_this_machine_alone_unless_told_otherwise():
    assert SETTINGS["server"]["address"] == "localhost"


def test_other_sites_cannot_speak_to_it_and_nothing_is_uploaded():
    server = SETTINGS["server"]
    assert server["enableXsrfProtection"] and server["enableCORS"] and server["maxUploadSize"] <= 1


def test_nothing_is_told_to_anybody():
    assert SETTINGS["browser"]["gatherUsageStats"] is False and SETTINGS["server"]["showEmailPrompt"] is False


def test_what_goes_wrong_shows_no_paths():
    assert SETTINGS["client"]["showErrorDetails"] == "type"
