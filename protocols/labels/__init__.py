"""Labels: what their codes say (ANSI MH10.8.2, GS1, ISO 15434), and the label of a rack."""
