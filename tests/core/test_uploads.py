"""Memory for what clients are sending: who gives way, and what is too slow."""

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatgate.network.uploads import Upload, Uploads


class Stage:
    """Uploads with a clock of their own; `held` says what each really holds."""

    def __init__(self, octets=1000, rate=10.0, slack=60.0):
        self.now = 0.0
        self.uploads = Uploads(octets, rate, slack, lambda: self.now)
        self.held, self.made = {}, {}

    def begin(self, name, owner=None):
        self.held[name] = 0
        self.made[name] = self.uploads.begin(name if owner is None else owner, lambda: self.held.update({name: 0}))
        return self.made[name]

    def send(self, name, octets):
        upload = self.made[name]
        if not upload.dropped:
            self.held[name] += octets
        upload.came(octets, self.held[name])

    def dropped(self):
        return sorted(name for name, upload in self.made.items() if upload.dropped)


@pytest.fixture
def stage():
    return Stage()


def test_who_stands_still_gives_way(stage):
    for name in ("early", "honest"):
        stage.begin(name)
    stage.send("early", 500)
    stage.now = 45.0
    stage.send("early", 1)
    for _ in range(60):
        stage.now += 0.1
        stage.send("honest", 10)
    assert stage.dropped() == ["early"] and stage.held == {"early": 0, "honest": 600}
    assert stage.uploads.free == 400


def test_who_holds_most_gives_way_among_equals(stage):
    for number in range(9):
        stage.begin(number, owner="evil")
    stage.begin("honest")
    for _ in range(20):
        stage.now += 1.0
        for name in stage.made:
            stage.send(name, 10)
    assert "honest" not in stage.dropped() and len(stage.dropped()) >= 4
    assert sum(stage.held.values()) <= 1000


def test_the_last_one_gives_way_itself_when_nobody_else_can(stage):
    stage.begin("first")
    stage.send("first", 900)
    stage.made["first"].finish()
    stage.begin("second")
    stage.send("second", 200)
    assert stage.dropped() == ["second"] and stage.held["first"] == 900
    stage.made["first"].close()
    assert stage.uploads.free == 1000


def test_an_upload_must_keep_its_pace(stage):
    upload = stage.begin("a")
    assert upload.deadline == 60.0
    stage.now = 50.0
    stage.send("a", 100)
    assert upload.deadline == 70.0
    stage.now = 60.0
    stage.send("a", 800)
    assert upload.deadline == 120.0, "no more than the slack is ever saved up"
    stage.made["a"].close()


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from(["send", "end", "wait", "finish"]), st.integers(1, 400))
    )
)
def test_whatever_comes_no_more_is_held_than_allowed(steps):
    stage = Stage()
    for name, step, octets in steps:
        if name not in stage.made:
            stage.begin(name, owner=name in "abc")
        if step == "send" and not stage.made[name].finished:
            stage.send(name, octets)
        elif step == "finish":
            stage.made[name].finish()
        elif step == "end":
            stage.made.pop(name).close()
            del stage.held[name]
        else:
            stage.now += octets / 10
        assert stage.uploads.free == 1000 - sum(stage.held.values()) >= 0
    for upload in stage.made.values():
        upload.close()
        upload.close()
    assert stage.uploads.free == 1000 and not stage.uploads._owners and not stage.uploads._unfinished


def test_uploads_that_hold_nothing_are_not_dropped(stage):
    stage.begin("idle")
    stage.begin("busy")
    stage.send("busy", 1001)
    assert stage.dropped() == ["busy"]


def test_many_that_hold_nothing_are_not_gone_through_for_each(monkeypatch):
    stage, looks = Stage(octets=1000), []
    pace = Upload.pace
    monkeypatch.setattr(Upload, "pace", lambda upload: looks.append(upload) or pace(upload))
    for number in range(900):
        stage.begin(number, owner=number % 3)
        stage.send(number, 1)
    stage.begin(900)
    stage.now += 10
    stage.send(900, 900)
    assert len(stage.dropped()) == 800 and stage.held[900] == 900
    assert len(looks) < 20 * 900


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300), st.floats(0, 3)), min_size=2, max_size=30))
def test_each_that_goes_is_the_slowest_at_that_moment(sent):
    stage = Stage(octets=1000)
    uploads = stage.uploads

    def drop(upload):
        def seconds(one):
            held = uploads._owners[one.owner] + (upload.held_before if one.owner == upload.owner else 0)
            return held / max(one.pace(), 1.0)

        assert all(seconds(upload) >= seconds(other) - 1e-9 for other in uploads._unfinished)

    class Watched(Upload):
        __slots__ = ("held_before",)

    for owner, octets, pause in sent:
        stage.now += pause
        upload = Watched(uploads, owner, lambda: None)
        upload.drop = lambda upload=upload: drop(upload)
        upload.held_before = octets
        upload.came(octets, octets)
    assert uploads.free >= 0


def test_what_was_held_goes_without_the_collector():
    """The upload has what lets go of it, and whoever holds it has the upload."""

    class Holder:
        def __init__(self, uploads):
            self.upload = uploads.begin("owner", self.drop)

        def drop(self):
            pass

    holder = Holder(Stage().uploads)
    there = weakref.ref(holder)
    holder.upload.close()
    gc.disable()
    try:
        del holder
        assert there() is None
    finally:
        gc.enable()
