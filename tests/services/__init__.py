"""Real services for the end-to-end tests, as plain processes on loopback (see README.md)."""
from .broker import KafkaCluster, ZooKeeper
from .processes import Process, ServiceError, free_port, wait_for
from .prometheus import Prometheus
from .proxy import Network, Proxy
from .redis import RedisServer
from .redis_cluster import RedisCluster
from .redis_sentinel import RedisSentinel
from .registry import Registry, RegistryGate

__all__ = ["KafkaCluster", "Network", "Process", "Prometheus", "Proxy", "RedisCluster", "RedisSentinel", "RedisServer",
           "Registry", "RegistryGate", "ServiceError", "ZooKeeper", "free_port", "wait_for"]
