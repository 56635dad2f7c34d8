"""What replicas share through their Redis. Loaded only by a hub that has one: see `hub.core.rarely`."""

from hub.store.redis_health import RedisHealth
from hub.store.redis_meters import RedisMeters, WhenDown
from hub.store.redis_shelf import RedisShelf

__all__ = ["RedisHealth", "RedisMeters", "RedisShelf", "WhenDown"]
