"""Holds promise 8: nothing that is sent stops a loop, and at the end the books balance.

A state machine throws valid and invalid replies, entries, frames, requests and answers of Redis
at a real server and a real worker. After each throw a page is answered and a new socket echoes.
"""

import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from channel_layer.layer import History, Join, Leave, Position, Send, SendGroup, SendReceipt
from tests.system import bounds_throws as throws
from tests.system.bounds_clients import RawSocket
from tests.system.bounds_ground import Ground

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

EXAMPLES, STEPS = 8, 12
"""The short form: about a hundred throws."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A server and a worker behind a relay to Redis."""
    with Ground(tmp_path_factory.mktemp("ground")) as made:
        yield made


class Throws(RuleBasedStateMachine):
    """One example: a socket in a room, and what is thrown while it is there."""

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground = ground
        self.socket: RawSocket | None = None
        self._do("a socket in the room", self._enter)

    def teardown(self) -> None:
        """The socket leaves, and the books must balance."""
        if self.socket is not None:
            self._do("its end", self.socket.leave)
            self._do("the balance", self.ground.balance)

    def _enter(self) -> None:
        self.socket = self.ground.new_socket("/room")

    def _do(self, thrown: object, throw: Callable[..., object], *arguments: object) -> None:
        """Throw, and see that everything goes on.

        A failure is kept for the end instead of raised: Hypothesis would throw all of it again,
        but what was thrown stays thrown.
        """
        ground = self.ground
        if ground.failure is not None:
            return
        ground.thrown.append(str(thrown)[:300])
        try:
            throw(*arguments)
            ground.still_goes()
        except Exception as error:
            ground.failure = error

    @rule(payload=throws.payloads)
    def a_reply_to_a_request(self, payload: bytes) -> None:
        """Whatever comes first as a reply, the client gets an answer or a cut."""
        self._do(("reply to a request", payload), self.ground.answer_parked, Send, payload)

    @rule(payload=throws.payloads, order=throws.orders)
    def a_receipt_to_a_request(self, payload: bytes, order: int) -> None:
        """The same with a receipt."""
        told = ("receipt to a request", payload, order)
        self._do(told, self.ground.answer_parked, SendReceipt, payload, order)

    @rule(payload=throws.payloads)
    def a_reply_to_a_socket(self, payload: bytes) -> None:
        """A reply to an open socket."""
        reply = Send(self.ground.channel_of_room, payload)
        self._do(("reply to a socket", payload), self.ground.perform, reply)

    @rule(payload=throws.payloads, order=throws.orders)
    def a_receipt_to_a_socket(self, payload: bytes, order: int) -> None:
        """A receipt for an event that it never sent, or that is in flight."""
        receipt = SendReceipt(self.ground.channel_of_room, payload, order)
        self._do(("receipt to a socket", payload, order), self.ground.perform, receipt)

    @rule(payload=throws.payloads)
    def a_group_message(self, payload: bytes) -> None:
        """A message to all members."""
        self._do(("group message", payload), self.ground.perform, SendGroup("room", payload))

    @rule(payload=throws.payloads)
    def a_kept_group_message(self, payload: bytes) -> None:
        """The same in a group with a history, which a socket joins from its beginning."""
        message = SendGroup("kept", payload, ("nobody",), History(3, 60_000))
        join = Join("kept", self.ground.channel_of_room, since=Position("another", 7))
        self._do(("kept group message", payload), self.ground.perform, message, join)

    @rule(client=st.sampled_from(["1", "ffff", "zz"]), joins=st.booleans())
    def a_strange_membership(self, client: str, joins: bool) -> None:
        """Members that the server does not know come and go."""
        channel = f"{self.ground.inbox}{client}"
        step = Join("room", channel) if joins else Leave("room", channel)
        self._do(step, self.ground.perform, step)

    @rule(
        kind=throws.kinds,
        flags=throws.flags,
        payload=throws.entry_payloads,
        order=throws.orders,
        to=st.sampled_from(["socket", "nobody", "group"]),
    )
    def an_entry_in_the_inbox(
        self, kind: int, flags: int, payload: bytes, order: int, to: str
    ) -> None:
        """An entry of any kind that no script of ours has written."""
        ground = self.ground
        channels = {"socket": ground.channel_of_room, "nobody": f"{ground.inbox}none"}
        entry = (channels.get(to, "room"), kind, flags, payload, order, "")
        self._do(("in the inbox", entry), ground.push_entry, ground.inbox, *entry)

    @rule(
        name=st.sampled_from(throws.WORKERS_LISTS),
        kind=throws.kinds,
        flags=throws.flags,
        payload=throws.entry_payloads,
        receipt=st.sampled_from(["", "socket", "nobody.there", "!!"]),
    )
    def an_entry_for_workers(
        self, name: str, kind: int, flags: int, payload: bytes, receipt: str
    ) -> None:
        """The same for workers."""
        to = self.ground.channel_of_room if receipt == "socket" else receipt
        entry = (name, kind, flags, payload, 1, to)
        self._do(("for workers", entry), self.ground.push_entry, name, *entry)

    @rule(name=st.sampled_from([*throws.WORKERS_LISTS, ""]), garbage=throws.broken_entries)
    def no_entry_at_all(self, name: str, garbage: bytes) -> None:
        """Bytes on a list that are no entry."""
        told = ("no entry", name or "the inbox", garbage)
        self._do(told, self.ground.push, name or self.ground.inbox, garbage)

    @rule(frames=throws.frames)
    def frames_of_a_client(self, frames: bytes) -> None:
        """Frames of any sort from a client who then leaves without a word."""
        self._do(("frames", frames), self.ground.throw_frames, frames)

    @rule(sent=throws.requests)
    def bytes_of_a_client(self, sent: bytes) -> None:
        """Bytes of any sort in place of a request."""
        self._do(("bytes", sent), self.ground.throw_bytes, sent)

    @rule(error=throws.redis_errors, count=st.integers(1, 4), commands=throws.redis_commands)
    def errors_of_redis(self, error: str, count: int, commands: tuple[str, ...]) -> None:
        """Redis answers with errors for a while."""
        self._do((error, count, commands), self.ground.relay.answer, error, count, commands)

    @rule(count=st.integers(1, 3))
    def lost_answers(self, count: int) -> None:
        """Redis performs, but its answers are lost with the connection."""
        self._do(("lost answers", count), self.ground.relay.lose_answers, count)

    @rule()
    def a_reset(self) -> None:
        """Every connection to Redis is reset."""
        self._do("a reset", self.ground.relay.reset)

    @rule()
    def forgotten_scripts(self) -> None:
        """Redis has forgotten all scripts."""
        self._do("SCRIPT FLUSH", self.ground.forget_scripts)

    @rule(name=throws.spoilt_keys, is_text=st.booleans())
    def a_spoilt_key(self, name: str, is_text: bool) -> None:
        """A key has a value of another type for a while; what is asked meanwhile is answered."""
        self._do(("spoilt", name, is_text), self.ground.spoil, name, is_text)


def throw(ground: Ground, examples: int, steps: int) -> None:
    """Run the machine."""
    run_state_machine_as_test(
        lambda: Throws(ground),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            # What was thrown stays thrown: an example cannot be made smaller by repeating it.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )


def test_whatever_is_thrown(ground: Ground, soak_minutes: float) -> None:
    """A page is answered and a socket echoes after each throw; each socket ends once."""
    end = time.monotonic() + 60 * soak_minutes
    throw(ground, EXAMPLES, STEPS)
    while time.monotonic() < end and ground.failure is None:
        throw(ground, 2 * EXAMPLES, 2 * STEPS)
    if ground.failure is None:
        ground.balance()
    print(ground.summary())
    ground.raise_failure()
