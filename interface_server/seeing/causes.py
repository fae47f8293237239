"""Every cause for which this server itself refuses a request, cuts an answer or ends a socket.

The closed list behind the lines in the log, the label `cause` in the metrics and the table in the
documentation. What a worker answers is no cause of ours: its own log has the line.
"""

from typing import NamedTuple


class Cause(NamedTuple):
    """`outcomes`: the statuses or close codes that clients see, "cut" for half an answer."""

    name: str
    outcomes: tuple[str, ...]
    meaning: str


HTTP_CAUSES: tuple[Cause, ...] = (
    Cause("malformed", ("400",), "the request breaks the rules of HTTP or is ambiguous"),
    Cause("head_late", ("408",), "the head was not complete within --head-timeout"),
    Cause("body_late", ("408",), "the body came slower than --body-timeout allows"),
    Cause("body_too_large", ("413",), "past --max-body, or a body where none is expected"),
    Cause("target_too_long", ("414",), "a request line past --max-head"),
    Cause("expectation_unknown", ("417",), "an Expect other than 100-continue"),
    Cause("misdirected", ("421",), "an https address on a connection without TLS"),
    Cause("upgrade_refused", ("426", "400", "403"), "a handshake that no worker was asked about"),
    Cause("head_too_large", ("431",), "past --max-head or --max-headers"),
    Cause("not_implemented", ("501",), "a method or transfer coding that this server lacks"),
    Cause("version_unknown", ("505",), "a version of HTTP other than those spoken here"),
    Cause("bodies_full", ("503",), "all request bodies in hand reached --bodies-total"),
    Cause("body_list_full", ("503",), "the channel of a request's body stayed full"),
    Cause("body_not_sent", ("503",), "the layer did not take a request's body"),
    Cause("request_list_full", ("503",), "the list of requests is at --capacity: too few workers"),
    Cause("layer_unavailable", ("503", "cut"), "too much waits for the broker already"),
    Cause("request_deadline_passed", ("503",), "no answer within --http-timeout"),
    Cause("request_given_up", ("503",), "workers died with the request too often"),
    Cause("request_lost", ("503", "cut"), "the broker lost the request"),
    Cause("replies_lost", ("cut",), "the broker lost data while the answer was under way"),
    Cause("request_unanswered_at_stop", ("503",), "this server stopped before the answer came"),
    Cause("request_not_answered", ("500",), "the handler ended without an answer"),
    Cause("bad_reply", ("500", "cut"), "a worker's reply breaks the rules of replies"),
    Cause("response_not_finished", ("cut",), "the handler ended in the middle of its answer"),
    Cause("response_stopped", ("cut",), "no more content came within --http-timeout"),
    Cause("stalled", ("cut",), "the client read nothing for --stall-timeout"),
    Cause("output_overflow", ("cut",), "more than --max-output waited for the client"),
    Cause("file_not_readable", ("cut",), "a file changed or went away while it was sent"),
    Cause("cut_at_stop", ("cut",), "an answer was still under way when the grace was over"),
    Cause("h2_malformed", ("reset",), "a request over HTTP/2 that is none: its stream is reset"),
    Cause("h2_stream_refused", ("reset",), "past --http2-streams: the client may send it again"),
    Cause("h2_protocol_error", ("goaway",), "a frame of HTTP/2 that breaks the rules"),
    Cause("h2_flood", ("goaway",), "frames that cost this server more than the client, too many"),
    Cause("h2_frame_late", ("goaway",), "a frame of HTTP/2 was not complete in --head-timeout"),
    Cause("end_forced", ("cut",), "a refused client did not go by itself"),
)

SOCKET_CAUSES: tuple[Cause, ...] = (
    Cause("connect_timeout", ("503",), "no worker answered in --websocket-connect-timeout"),
    Cause("connect_refused", ("503",), "the list of handshakes is full, or the layer away"),
    Cause("connect_dead", ("503",), "workers died with the handshake too often"),
    Cause("connect_unanswered", ("500",), "the handler neither accepted nor refused"),
    Cause("peer", ("1000-1015", "3xxx", "4xxx"), "the client closed"),
    Cause("peer_vanished", ("1006",), "the connection ended without a close frame"),
    Cause("ping_timeout", ("1006",), "no pong within --ping-timeout"),
    Cause("protocol_error", ("1002",), "the client broke the rules of WebSocket"),
    Cause("invalid_payload", ("1007",), "text that is not UTF-8, or that cannot be inflated"),
    Cause("message_too_big", ("1009",), "a message past --max-message"),
    Cause("slow_reader", ("1013",), "more than --max-socket-output waited for the client"),
    Cause("worker", ("any",), "a handler closed the socket"),
    Cause("event_dead", ("1011",), "workers died with an event of the socket too often"),
    Cause("event_timeout", ("1013",), "an event was not handled in --websocket-event-timeout"),
    Cause("event_too_large", ("1009",), "an event larger than any list takes"),
    Cause("server_stopping", ("1012",), "this server stops; clients come back"),
    Cause("reaped", ("1012",), "this server was silent for so long that it was taken for dead"),
)

CUTS = frozenset({"stalled", "output_overflow", "file_not_readable", "cut_at_stop", "end_forced"})
"""Causes for which a connection is cut though no exchange failed."""

_STATUS_CAUSES = {
    400: "malformed",
    403: "upgrade_refused",
    408: "body_late",
    413: "body_too_large",
    414: "target_too_long",
    417: "expectation_unknown",
    421: "misdirected",
    426: "upgrade_refused",
    431: "head_too_large",
    501: "not_implemented",
    503: "layer_unavailable",
    505: "version_unknown",
}


def cause_of_status(status: int) -> str:
    """The cause of a refusal that names none of its own."""
    return _STATUS_CAUSES.get(status, "malformed")


def code_label(code: int) -> str:
    """A close code as a label: 1000 to 1015 are told apart, others by their thousand."""
    if 1000 <= code <= 1015:
        return str(code)
    return f"{code // 1000}xxx" if 1000 <= code < 5000 else "other"
