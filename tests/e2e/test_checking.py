"""The checks themselves: what a service that lies would look like to them."""
import pytest

from e2e.checking import Lie, check_truth, differences
from e2e.history import History, Writer, make_seed
from e2e.pushcache import slow


def test_watcher_catches_answers_that_come_early(topic, config, watched):
    """A service that is allowed to answer while it loads tells old values and false absences."""
    seed = make_seed()
    history = History()
    made = topic(partitions=2)
    Writer(made, history, seed, keys=5_000).fill(changes=20_000)
    running, watcher = watched(slow(config(made.name, webservice={"serve_while_loading": True})), history, seed)
    running.wait_ready()
    with pytest.raises(Lie):
        watcher.stop()


def test_watcher_catches_values_that_go_back(topic, config, watched):
    """The same with a history in which one more change was acknowledged than the topic has."""
    history = History()
    made = topic()
    Writer(made, history, make_seed(), keys=1_000).fill()
    for key in list(history.states)[::10]:
        index, _ = history.note(key)
        history.acknowledge(key, index)
    running, watcher = watched(config(made.name), history, 1)
    running.wait_ready()
    running.wait(lambda: watcher.fault, "the lie to be seen")
    with pytest.raises(Lie, match="is not among"):
        watcher.stop()


def test_check_of_all_keys_sees_each_difference(topic, config, service):
    history = History()
    made = topic()
    Writer(made, history, make_seed(), keys=1_000).fill()
    running = service(config(made.name)).wait_ready()
    assert check_truth(running, made) == 1_000
    truth = made.records()
    assert differences(running, "/customers", truth) == []
    first, second = sorted(truth)[:2]
    more = differences(running, "/customers", {**truth, "k9": truth[first]})
    assert len(more) == 2 and "missing ['k9']" in more[0] and more[1].startswith("k9: 404")
    less = differences(running, "/customers", {key: record for key, record in truth.items() if key != first})
    assert len(less) == 1 and f"too many ['{first}']" in less[0]
    other = differences(running, "/customers", {**truth, first: truth[second]})
    assert len(other) == 1 and other[0].startswith(f"{first}: 200")
    # This process alone is changed: what it serves is not what the topic holds any more.
    assert running.api.request("DELETE", f"/customers/{first}").status == 200
    with pytest.raises(AssertionError, match=f"(?s)missing .*{first}"):
        check_truth(running, made)
