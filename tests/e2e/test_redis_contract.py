"""The contract that every store must pass, by the unit tests' own suite, against each kind of Redis."""
import os
import subprocess

import pytest

from e2e.pushcache import BIN


@pytest.fixture(params=["TLS and users", "cluster", "sentinels"])
def any_redis(request, redis_server, redis_cluster, redis_sentinel):
    if request.param == "cluster":
        return redis_cluster()
    if request.param == "sentinels":
        return redis_sentinel()
    return redis_server(users=True, tls=True)


@pytest.mark.timeout(300)
def test_contract(any_redis):
    store = any_redis.store()
    environment = {**os.environ, "PUSH_CACHE_TEST_REDIS": store["url"], "PUSH_CACHE_TEST_REDIS_CA": store.get("ca_file", "")}
    done = subprocess.run([BIN / "app_test", "--gtest_filter=GivenRedis*"], env=environment, capture_output=True, text=True,
                          timeout=280)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2_000:]
    assert "[  PASSED  ] 41 tests." in done.stdout
