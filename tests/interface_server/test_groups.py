"""The membership tables of one process."""

from hypothesis import given
from hypothesis import strategies as st

from channel_layer.layer import Position
from interface_server.groups import NOBODYS, Device, Groups

NAMES = st.sampled_from(["a", "b", "c"])


def test_members_are_found_from_both_sides() -> None:
    """A join shows in the group's members and in the channel's groups, in order, once."""
    groups = Groups()
    for group, channel in [("g", "c1"), ("g", "c2"), ("g", "c1"), ("h", "c1")]:
        groups.join(group, channel)
    assert groups.members_of("g") == ("c1", "c2")
    assert groups.groups_of("c1") == ("g", "h")
    assert len(groups) == 2


def test_leaving_all_empties_the_tables() -> None:
    """A socket that ends leaves nothing behind."""
    groups = Groups()
    groups.join("g", "c")
    groups.join("h", "c")
    assert groups.leave_all("c") == ("g", "h")
    assert (len(groups), groups.members_of("g"), groups.leave_all("c")) == (0, (), ())


def test_the_position_of_a_group_goes_with_its_last_member() -> None:
    """Whoever comes later begins anew; what nobody here is in has none."""
    groups = Groups()
    groups.seen("g", Position("e", 1))
    groups.join("g", "c1")
    groups.join("g", "c2")
    groups.seen("g", Position("e", 2))
    groups.leave("g", "c1")
    assert groups.positions() == {"g": Position("e", 2)}
    groups.leave_all("c2")
    assert groups.positions() == {}


def test_a_member_keeps_whose_device_it_is_until_it_leaves() -> None:
    """A join without a user says nothing of it, one with another user moves it."""
    groups, ann, bob = Groups(), Device("ann", "p"), Device("bob")
    groups.join("g", "c")
    groups.join("g", "c", ann)
    groups.join("h", "c", bob)
    groups.join("g", "c")
    assert (groups.device("g", "c"), groups.device("h", "c")) == (ann, bob)
    groups.join("g", "c", bob)
    assert groups.device("g", "c") == bob
    groups.leave_all("c")
    groups.join("g", "c")
    assert groups.device("g", "c") == groups.device("h", "c") == NOBODYS


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "leave_all"]), NAMES, NAMES)))
def test_the_tables_agree_with_a_set_of_pairs(steps: list[tuple[str, str, str]]) -> None:
    """Whatever is joined and left, both sides say what a plain set of pairs says."""
    groups, model = Groups(), set[tuple[str, str]]()
    for what, group, channel in steps:
        if what == "join":
            groups.join(group, channel)
            model.add((group, channel))
        elif what == "leave":
            groups.leave(group, channel)
            model.discard((group, channel))
        else:
            left = groups.leave_all(channel)
            assert set(left) == {g for g, c in model if c == channel}
            model = {pair for pair in model if pair[1] != channel}
    assert set(groups.memberships()) == model
    assert len(groups) == len({group for group, _ in model})
    assert all(groups.has(*pair) for pair in model)
    for name in ("a", "b", "c"):
        assert set(groups.members_of(name)) == {c for g, c in model if g == name}
        assert set(groups.groups_of(name)) == {g for g, c in model if c == name}
