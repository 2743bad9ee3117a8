"""The model's process. Only this folder imports torch; the service starts it by the name of `main`.

The service imports nothing of this folder, so that it needs neither torch nor chatterbox-tts.
"""

from __future__ import annotations

__all__: list[str] = []
