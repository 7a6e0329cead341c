"""The command line: everything that the app does, one file a command."""
