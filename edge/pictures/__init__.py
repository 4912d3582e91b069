"""Pictures of events: what is worth one, and the files that the gateway keeps of them."""

from edge.pictures.events import Event, Events, NokWatch, newest, nok_results
from edge.pictures.settings import PictureSettings
from edge.pictures.store import Noted, PictureStore

__all__ = [
    "Event",
    "Events",
    "NokWatch",
    "Noted",
    "PictureSettings",
    "PictureStore",
    "newest",
    "nok_results",
]
