"""Settings: environment variables with the prefix CLEARCAST_, checked once at start.

Every field's description is the text of its row in the README's table.
"""

from server.config.network import PREFIX, AdvertisedAddress, IceServer
from server.config.reading import SECRET, load_settings
from server.config.settings import Settings

__all__ = ["PREFIX", "SECRET", "AdvertisedAddress", "IceServer", "Settings", "load_settings"]
