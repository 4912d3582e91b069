"""EDIFACT interchanges: DELJIT, DELFOR and DESADV of directory D.97A, and CONTRL as the answer."""
