"""The desk that a worker and its watchdog share."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channel_layer.layer import Done, Entry, Kind
from workers.desk import Desk, Relief, chained
from workers.parking import Handled


def entry(number, channel="a", *, is_chained=False):
    """An entry as a layer gives it."""
    return Entry(number, Kind.MESSAGE, channel, b"", chained=is_chained)


def handled(unit):
    """A unit with the steps it ends with."""
    return Handled(unit, tuple(Done(one.id) for one in unit))


def test_chained():
    """What is chained is one unit, up to the first that is not or is of another channel."""
    entries = [
        entry(1),
        entry(2, is_chained=True),
        entry(3, is_chained=True),
        entry(4),
        entry(5, is_chained=True),
        entry(6, "b"),
        entry(7, is_chained=True),
    ]
    assert [[one.id for one in unit] for unit in chained(entries)] == [
        *([1], [2, 3, 4], [5], [6], [7])
    ]


def test_what_comes_back():
    """Of what is held here, only the unknown is added; what was begun comes as another attempt."""
    desk = Desk()
    desk.put([entry(1), entry(2), entry(3)])
    for number in (1, 2):
        unit = desk.claim(0.0, 1.0)
        assert [one.id for one in unit] == [number]
        desk.finish(handled(unit))
    ended, _ = desk.collect()
    desk.restore([ended])
    desk.put_held(map(entry, (1, 2, 3, 4, 5)), elsewhere={5})
    units = [desk.claim(0.0, 1.0) for _ in range(3)]
    assert [(one.id, one.attempt) for (one,) in units] == [(3, 1), (2, 2), (4, 1)]
    assert desk.claim(0.0, 1.0) is None


def test_order():
    """Units are claimed in the order in which they were put."""
    desk = Desk()
    desk.put([entry(1), entry(2)])
    desk.put([entry(3)])
    assert [desk.claim(0, 1)[0].id for _ in range(3)] == [1, 2, 3]
    assert desk.claim(0, 1) is None


def test_time_in_hand():
    """A unit in hand is overdue once its handler has had its time."""
    desk = Desk()
    desk.put([entry(1)])
    unit = desk.claim(10.0, 60.0)
    desk.begin(11.0, 2.0)
    assert not desk.in_hand().is_overdue(13.0)
    assert desk.in_hand().is_overdue(13.1)
    desk.finish(handled(unit))
    assert desk.in_hand() is None


def test_relief():
    """Only behind a long handler, what is handled and what waits is taken off, until confirmed."""
    desk = Desk()
    desk.put([entry(number) for number in range(1, 5)])
    first = handled(desk.claim(0.0, 9.0))
    desk.finish(first)
    desk.claim(0.0, 9.0)
    assert desk.relieve(0.05, 0.1) == Relief()
    relief = desk.relieve(0.2, 0.1)
    assert relief == Relief((first,), (3, 4))
    assert (desk.waiting(), desk.collect()) == (0, [])
    assert desk.knows() == {1, 2, 3, 4}
    assert desk.relieve(0.3, 0.1) == Relief((), (3, 4))
    desk.confirm(relief)
    assert desk.relieve(0.3, 0.1) == Relief()
    assert desk.knows() == {2}


def test_failed_relief():
    """Units whose commit failed come back, before those handled since."""
    desk = Desk()
    desk.put([entry(1), entry(2)])
    first = handled(desk.claim(0.0, 9.0))
    desk.finish(first)
    second = handled(desk.claim(0.0, 9.0))
    desk.relieve(1.0, 0.1)
    desk.finish(second)
    desk.restore([first])
    assert desk.collect() == [first, second]
    assert desk.knows() == set()


def test_taken_again():
    """An entry that came back to the same worker is not given back once more."""
    desk = Desk()
    desk.put([entry(1), entry(2)])
    desk.claim(0.0, 9.0)
    assert desk.relieve(1.0, 0.1).back == (2,)
    desk.put([entry(2)])
    assert desk.relieve(0.0, 9.0).back == ()
    assert desk.waiting() == 1


def test_lost():
    """Units of which an entry is leased no more are not begun; the one in hand stays in hand."""
    desk = Desk()
    desk.put([entry(1), entry(2), entry(3, is_chained=True), entry(4), entry(5)])
    desk.claim(0, 1)
    desk.forget_lost({3, 5})
    assert desk.knows() == {1, 5}
    assert [one.id for one in desk.claim(0, 1)] == [5]


def test_left():
    """What is left of a handled unit are the entries whose steps are."""
    unit = (entry(1), entry(2), entry(3))
    assert handled(unit).left() == unit
    assert Handled(unit, (Done(2),)).left() == (unit[1],)


def test_empty():
    """What is emptied is named in order and not handled here."""
    desk = Desk()
    desk.put([entry(1, is_chained=True), entry(2), entry(3)])
    assert desk.empty() == (1, 2, 3)
    assert desk.claim(0, 1) is None


class Books(RuleBasedStateMachine):
    """Each entry is in exactly one hand, whatever worker and watchdog do in which order."""

    def __init__(self):
        super().__init__()
        self.desk = Desk()
        self.number = 0
        self.out = set()
        self.ended = []
        self.unit = None
        self.reliefs = []

    @rule(sizes=st.lists(st.integers(1, 3), max_size=4))
    def put(self, sizes):
        """The layer gives entries."""
        for size in sizes:
            numbers = range(self.number + 1, self.number + size + 1)
            unit = [entry(one, is_chained=True) for one in numbers]
            unit[-1] = unit[-1]._replace(chained=False)
            self.number += size
            self.out.update(numbers)
            self.desk.put(unit)

    @rule()
    def claim(self):
        """The worker begins."""
        if self.unit is None:
            self.unit = self.desk.claim(0.0, 1.0)

    @rule()
    def finish(self):
        """The worker ends."""
        if self.unit is not None:
            self.desk.finish(handled(self.unit))
            self.unit = None

    @rule()
    def commit(self):
        """The worker commits."""
        self.settle(one.id for unit in self.desk.collect() for one in unit.unit)

    @rule()
    def relieve(self):
        """The watchdog takes off."""
        self.reliefs.append(self.desk.relieve(1.0, 0.1))

    @rule(is_answered=st.booleans())
    def confirm(self, is_answered):
        """The watchdog hears of it, or not."""
        for relief in self.reliefs:
            if is_answered:
                self.desk.confirm(relief)
                self.settle(one.id for unit in relief.handled for one in unit.unit)
                self.settle(number for number in relief.back if number in self.out)
            else:
                self.desk.restore(relief.handled)
        self.reliefs.clear()

    def settle(self, numbers):
        """These are no longer leased."""
        for number in numbers:
            self.ended.append(number)
            self.out.remove(number)

    @invariant()
    def all_are_known(self):
        """What is leased is known, so it is not taken for lost; nothing ends twice."""
        assert self.desk.knows() == self.out
        assert len(self.ended) == len(set(self.ended))


TestBooks = Books.TestCase
