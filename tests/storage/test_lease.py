import time
from dataclasses import replace
from pathlib import Path

import pytest

from carsray.errors import StorageError
from carsray.storage.lease import NAME, Owner, take_lease
from carsray.storage.place import Place


def owner(name: str) -> Owner:
    return Owner(name, f"/results of {name}", name)


def never(seconds: float) -> None:
    raise AssertionError("there was nothing to wait for")


def test_a_lease_is_taken_given_up_and_taken_again(place: Place) -> None:
    take_lease(place, owner("a"), print, pause=never).release()
    assert place.read(NAME) is None
    take_lease(place, owner("b"), print, pause=never).release()


def test_whoever_renews_it_keeps_it(place: Place) -> None:
    lease = take_lease(place, owner("a"), print)
    told: list[str] = []
    with pytest.raises(StorageError, match=r"a works on this sweep \(/results of a\)"):
        take_lease(place, owner("b"), told.append, pause=lambda seconds: lease.renew())
    assert "waiting up to 60 s" in told[0]
    lease.release()


def test_one_that_is_given_up_meanwhile_is_taken(place: Place) -> None:
    lease = take_lease(place, owner("a"), print)
    second = take_lease(place, owner("b"), print, pause=lambda seconds: lease.release())
    assert not second.lost
    second.release()


def test_a_stale_one_is_taken_over_and_its_owner_notices(place: Place) -> None:
    first = take_lease(place, owner("a"), print)
    second = take_lease(place, owner("b"), print, stale=0, pause=never)
    first.renew()
    assert first.lost == "b"
    first.release()
    second.renew()
    assert not second.lost
    assert place.read(NAME) is not None
    second.release()


def test_the_lease_of_a_process_that_died_in_the_same_folder_is_not_waited_for(place: Place, tmp_path: Path) -> None:
    dead = take_lease(place, Owner.of(tmp_path), print)
    alive = take_lease(place, Owner.of(tmp_path), print, pause=never)
    dead.renew()
    assert dead.lost
    alive.release()


def test_another_machine_of_the_same_name_and_with_the_same_folder_is_waited_for(place: Place, tmp_path: Path) -> None:
    lease = take_lease(place, replace(Owner.of(tmp_path), boot="of another machine"), print)
    with pytest.raises(StorageError, match="works on this sweep"):
        take_lease(place, Owner.of(tmp_path), print, pause=lambda seconds: lease.renew())
    lease.release()


def test_one_that_was_not_renewed_for_long_is_asked_for_before_it_is_relied_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = take_lease(place, owner("a"), print)
    second = take_lease(place, owner("b"), print, stale=0, pause=never)
    assert first.holds()  # as far as it knows: it has just said that it lives
    now = time.time()
    monkeypatch.setattr("carsray.storage.lease.time.time", lambda: now + 3600)  # as after a sleep of the machine
    assert not first.holds()
    assert first.lost == "b"
    assert second.holds()
    second.release()


def test_a_renewal_whose_answer_was_lost_is_no_take_over(place: Place) -> None:
    lease = take_lease(place, owner("a"), print)
    content = place.read(NAME)
    assert content
    place.write(NAME, content + b" ")  # as the renewal would have left it: the owner is the same, the version is not
    lease.renew()
    assert not lease.lost
    lease.renew()
    lease.release()


def test_what_is_no_lease_becomes_stale_as_well(place: Place) -> None:
    place.write(NAME, b"not JSON")
    take_lease(place, owner("a"), print, stale=0, pause=never).release()
