"""The lanes: order, atomicity, leases, waking."""

from __future__ import annotations

import redis

from tests.integration.redis.conftest import until
from workers.broker import connect
from workers.lanes import Lanes, NotEntered, Parked, Place, Taken


def taken(answer: Taken | Parked | NotEntered) -> Taken:
    assert isinstance(answer, Taken), answer
    return answer


def parked(answer: Taken | Parked | NotEntered) -> Parked:
    assert isinstance(answer, Parked), answer
    return answer


def test_runs_go_in_the_order_of_their_numbers_not_of_their_coming(lanes: Lanes) -> None:
    for run, seq in (("c", 3), ("a", 1), ("b", 2)):
        lanes.enter(run, seq, ["n"])
    assert parked(lanes.take("c", "c1", ["n"], "mc")).behind == "a"
    assert parked(lanes.take("b", "b1", ["n"], "mb")).behind == "a"
    lease = taken(lanes.take("a", "a1", ["n"], "ma"))
    assert lanes.leave("a", ["n"], lease.token) == ["mb"]
    lease = taken(lanes.take("b", "b1", ["n"], "mb"))
    assert lanes.leave("b", ["n"], lease.token) == ["mc"]
    taken(lanes.take("c", "c1", ["n"], "mc"))


def test_a_job_gets_all_its_lanes_or_none_and_parks_in_the_first_that_blocks(
    lanes: Lanes,
) -> None:
    lanes.enter("a", 1, ["two"])
    lanes.enter("b", 2, ["one", "two", "three"])
    answer = parked(lanes.take("b", "b1", ["one", "two", "three"], "mb"))
    assert (answer.lane, answer.behind, answer.holder) == ("two", "a", None)
    assert [lanes.line(lane)[0].holder for lane in ("one", "two", "three")] == [None] * 3
    assert lanes.parked() == {"b1"}
    assert lanes.leave("a", ["two"]) == ["mb"]
    lease = taken(lanes.take("b", "b1", ["one", "two", "three"], "mb"))
    assert lanes.held(lease.token, ["one", "two", "three"])
    assert lanes.parked() == set()


def test_a_run_that_comes_later_with_a_smaller_number_goes_before_all_but_the_holder(
    lanes: Lanes,
) -> None:
    lanes.enter("b", 2, ["n"])
    lanes.enter("c", 3, ["n"])
    lease = taken(lanes.take("b", "b1", ["n"], "mb"))
    parked(lanes.take("c", "c1", ["n"], "mc"))
    lanes.enter("a", 1, ["n"])
    answer = parked(lanes.take("a", "a1", ["n"], "ma"))
    assert (answer.behind, answer.holder) == ("b", "b1")
    assert answer.expires is not None and 25 < answer.expires <= 30
    assert lanes.renew(lease.token, ["n"]) is not None
    assert lanes.release("b", "b1", lease.token, ["n"]) == ["ma"]
    assert parked(lanes.take("b", "b2", ["n"], "mb2")).behind == "a"


def test_a_run_that_never_entered_takes_and_parks_nothing(
    lanes: Lanes, client: redis.Redis
) -> None:
    lanes.enter("a", 1, ["one"])
    assert lanes.take("a", "a1", ["one", "two"], "ma") == NotEntered(lane="two")
    assert not lanes.line("one")[0].holder
    client.flushall()
    assert lanes.take("a", "a1", ["one"], "ma") == NotEntered(lane="one")
    assert client.keys() == []
    lanes.enter("a", 1, ["one"])
    taken(lanes.take("a", "a1", ["one"], "ma"))


def test_entering_twice_keeps_the_place(lanes: Lanes) -> None:
    lanes.enter("a", 1, ["n", "m"])
    lanes.enter("b", 2, ["n"])
    lanes.enter("a", 9, ["n", "m"])
    assert [place.run for place in lanes.line("n")] == ["a", "b"]
    assert lanes.lanes_of("a") == ["m", "n"]


def test_the_same_job_waits_behind_its_own_lease_until_it_ends(client: redis.Redis) -> None:
    lanes = Lanes(client, lease=0.4)
    lanes.enter("a", 1, ["n"])
    first = taken(lanes.take("a", "a1", ["n"], "m"))
    answer = parked(lanes.take("a", "a1", ["n"], "m"))
    assert (answer.behind, answer.holder) == ("a", "a1")
    assert list(lanes.idle_heads()) == []
    until(lambda: list(lanes.idle_heads()) == ["m"], 2)
    second = taken(lanes.take("a", "a1", ["n"], "m"))
    assert (first.attempts, second.attempts) == (1, 2)
    assert not lanes.held(first.token, ["n"])


def test_a_holder_that_comes_too_late_can_neither_renew_release_nor_leave(
    client: redis.Redis,
) -> None:
    short, lanes = Lanes(client, lease=0.3), Lanes(client)
    short.enter("a", 1, ["n"])
    short.enter("b", 2, ["n"])
    late = taken(short.take("a", "a1", ["n"], "m"))
    until(lambda: not short.held(late.token, ["n"]), 2)
    lease = taken(lanes.take("a", "a1", ["n"], "m"))
    parked(lanes.take("a", "a2", ["n"], "m2"))
    parked(lanes.take("b", "b1", ["n"], "mb"))
    assert lanes.renew(late.token, ["n"]) is None
    assert lanes.release("a", "a1", late.token, ["n"]) == []
    assert lanes.leave("a", ["n"], late.token) == []
    assert lanes.held(lease.token, ["n"])
    assert [place.run for place in lanes.line("n")] == ["a", "b"]
    assert lanes.parked() == {"a2", "b1"}
    # What the run itself has parked there is given out: it still has work.
    assert lanes.leave("a", ["n"], lease.token) == ["mb", "m2"]


def test_a_late_holder_does_not_drop_the_message_that_is_parked_for_its_job(
    client: redis.Redis,
) -> None:
    lanes = Lanes(client, lease=0.3)
    lanes.enter("a", 1, ["n"])
    late = taken(lanes.take("a", "a1", ["n"], "m"))
    parked(lanes.take("a", "a1", ["n"], "m"))
    until(lambda: not lanes.held(late.token, ["n"]), 2)
    assert lanes.release("a", "a1", late.token, ["n"]) == ["m"]
    taken(lanes.take("a", "a1", ["n"], "m"))


def test_releasing_in_time_drops_the_second_message_of_the_same_job(lanes: Lanes) -> None:
    lanes.enter("a", 1, ["n", "o"])
    lease = taken(lanes.take("a", "a1", ["n", "o"], "m"))
    parked(lanes.take("a", "a1", ["n", "o"], "m"))
    parked(lanes.take("a", "a2", ["o"], "m2"))
    assert lanes.release("a", "a1", lease.token, ["n", "o"]) == ["m2"]
    assert lanes.parked() == {"a2"}
    assert [place.run for place in lanes.line("n")] == ["a"]


def test_a_woken_message_stays_parked_until_its_job_takes_so_a_lost_publish_is_repaired(
    lanes: Lanes,
) -> None:
    lanes.enter("a", 1, ["n"])
    lanes.enter("b", 2, ["n"])
    parked(lanes.take("b", "b1", ["n"], "mb"))
    assert list(lanes.idle_heads()) == []
    assert lanes.leave("a", ["n"]) == ["mb"]
    assert list(lanes.idle_heads(quiet=30)) == [], "it was given out a moment ago"
    assert list(lanes.idle_heads()) == ["mb"]
    taken(lanes.take("b", "b1", ["n"], "mb"))
    assert list(lanes.idle_heads()) == []


def test_leaving_drops_what_the_run_has_parked_there_and_nothing_else(lanes: Lanes) -> None:
    lanes.enter("holder", 1, ["n", "m"])
    lanes.enter("a", 2, ["n", "m"])
    lanes.enter("ab", 3, ["n"])
    parked(lanes.take("a", "a1", ["n"], "m1"))
    parked(lanes.take("a", "a2", ["m"], "m2"))
    parked(lanes.take("ab", "ab1", ["n"], "m3"))
    assert lanes.leave("a", ["n"]) == []
    assert lanes.parked() == {"a2", "ab1"}
    assert lanes.lanes_of("a") == ["m"]
    assert lanes.leave("holder", ["n", "m"]) == ["m3", "m2"]


def test_a_run_that_is_over_frees_its_lanes_whoever_holds_them_but_no_other_run_s(
    lanes: Lanes,
) -> None:
    lanes.enter("b", 2, ["n", "m"])
    lanes.enter("c", 3, ["n"])
    lease = taken(lanes.take("b", "b1", ["n", "m"], "mb"))
    lanes.enter("a", 1, ["n"])
    assert lanes.leave("a", ["n"]) == []
    assert lanes.held(lease.token, ["n", "m"])
    parked(lanes.take("c", "c1", ["n"], "mc"))
    assert lanes.leave("b", ["n", "m"]) == ["mc"]
    assert not lanes.held(lease.token, ["n"])


def test_attempts_are_counted_when_the_leases_are_got_so_waiting_costs_none(lanes: Lanes) -> None:
    lanes.enter("a", 1, ["n"])
    lanes.enter("b", 2, ["n"])
    for _ in range(5):
        parked(lanes.take("b", "b1", ["n"], "mb"))
    lanes.leave("a", ["n"])
    for count in (1, 2, 3):
        lease = taken(lanes.take("b", "b1", ["n"], "mb"))
        assert lease.attempts == count
        lanes.release("b", "b1", lease.token, ["n"])
    assert taken(lanes.take("b", "other", ["n"], "mb")).attempts == 1


def test_the_same_request_sent_again_because_its_answer_was_lost_is_granted_once(
    lanes: Lanes,
) -> None:
    lanes.enter("a", 1, ["n"])
    request = ("take", "a", "a1", "token", 30_000, 60, "m", "n")
    assert lanes._decide(*request) == ["taken", 1]
    assert lanes._decide(*request) == ["taken", 1]
    assert lanes.held("token", ["n"])


def test_renewing_part_of_the_lanes_is_refused_as_a_whole(lanes: Lanes) -> None:
    lanes.enter("a", 1, ["n", "m"])
    lease = taken(lanes.take("a", "a1", ["n", "m"], "m"))
    lanes.leave("a", ["m"], lease.token)
    assert lanes.renew(lease.token, ["n", "m"]) is None
    assert not lanes.held(lease.token, ["n", "m"])
    assert lanes.renew(lease.token, ["n"]) is not None


def test_a_line_tells_who_waits_for_whom(lanes: Lanes) -> None:
    lanes.enter("b", 7, ["n"])
    taken(lanes.take("b", "b1", ["n"], "m"))
    lanes.enter("a", 5, ["n"])
    parked(lanes.take("a", "a2", ["n"], "m"))
    parked(lanes.take("a", "a1", ["n"], "m"))
    first, second = lanes.line("n")
    assert first == Place(run="a", seq=5, holder=None, held_for=None, parked=("a1", "a2"))
    assert (second.run, second.seq, second.holder, second.parked) == ("b", 7, "b1", ())
    assert second.held_for is not None and 0 <= second.held_for < 5
    assert lanes.runs() == {"a", "b"}
    assert lanes.line("nobody") == []


def test_nothing_is_left_for_ever_when_everybody_has_left(
    lanes: Lanes, client: redis.Redis
) -> None:
    lanes.enter("a", 1, ["n", "m"])
    lanes.enter("b", 2, ["n"])
    lease = taken(lanes.take("a", "a1", ["n", "m"], "m"))
    parked(lanes.take("b", "b1", ["n"], "m"))
    lanes.leave("a", ["n", "m"], lease.token)
    lanes.take("b", "b1", ["n"], "m")
    lanes.leave("b", ["n"])
    for key in client.scan_iter():
        assert client.ttl(key) > 0, f"{key} never ends"
    lanes.empty()
    assert client.keys() == []


def test_a_job_without_lanes_is_always_granted_and_counted(lanes: Lanes) -> None:
    assert taken(lanes.take("a", "a1", [], "m")).attempts == 1
    assert taken(lanes.take("a", "a1", [], "m")).attempts == 2


def test_five_hundred_idle_heads_are_found_in_batches(lanes: Lanes) -> None:
    for number in range(500):
        lanes.enter("first", 1, [f"n{number}"])
        lanes.enter(f"r{number}", 2, [f"n{number}"])
        parked(lanes.take(f"r{number}", f"j{number}", [f"n{number}"], f"m{number}"))
    assert len(lanes.parked()) == 500
    woken = lanes.leave("first", lanes.lanes_of("first"))
    assert sorted(woken) == sorted(f"m{number}" for number in range(500))
    assert set(lanes.idle_heads()) == set(woken)


def test_two_prefixes_are_two_worlds(url: str) -> None:
    with connect(url) as client:
        one, two = Lanes(client, prefix="one:"), Lanes(client, prefix="two:")
        one.enter("a", 1, ["n"])
        assert two.take("a", "a1", ["n"], "m") == NotEntered(lane="n")
        two.empty()
        assert one.lanes_of("a") == ["n"]
