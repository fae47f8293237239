"""h2's connection as this server uses it: its settings, its bounds and its errors, in one place.

Knows frames, windows and HPACK through h2 alone; knows no request and no transport.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event
from h2.exceptions import ProtocolError, StreamClosedError
from h2.settings import SettingCodes, Settings
from hpack import Decoder
from hyperframe.frame import GoAwayFrame

from interface_server.http2.fields import FieldEncoder
from interface_server.http2.frames import Fault
from shared.messages import Headers

CONNECTION_WINDOW = 1024 * 1024
"""Bytes that a client may send ahead on all streams; each stream's own window is the bound of what
waits for workers, so this one is given back at once. Ours.
"""

LENGTH = b"\x00content-length"
"""Content-Length among the fields that h2 gives: h2 would end the connection for a wrong one."""

_RENAMED = {b"content-length": LENGTH, LENGTH: b"\x00"}
"""What a client may not say stays so: no other name of its own becomes Content-Length."""

NEVER_LAST = 2**31 - 1
"""The last stream in a GOAWAY that says only that an end is near. Source: RFC 9113 section 6.8."""

_KNOWN_SETTINGS = frozenset(map(int, SettingCodes))

_CLEAN_AFTER = 64
"""New streams until h2's closed ones are looked for; ours."""


class _Decoder(Decoder):
    """Gives Content-Length another name; see LENGTH."""

    def decode(self, data: bytes, raw: bool = False) -> Iterable[Any]:
        """The fields of a block."""
        fields = super().decode(data, raw)
        return [(_RENAMED.get(pair[0], pair[0]), pair[1]) for pair in fields]


class _ClientSettings(Settings):
    """Forgets settings of unknown names, which h2 would keep: 64 Ki of them are 16 MiB."""

    def __setitem__(self, key: int, value: int) -> None:
        """Take a setting. Source: RFC 9113 section 6.5.2."""
        if key in _KNOWN_SETTINGS:
            super().__setitem__(key, value)


class _Connection(H2Connection):
    """Leaves the number of streams to its user, who refuses one where h2 would end them all."""

    MAX_CLOSED_STREAMS = 4096
    _opened = 0

    @property
    def open_inbound_streams(self) -> int:
        """Asked for at each new stream; closed ones are forgotten now and then."""
        self._opened += 1
        if self._opened % _CLEAN_AFTER == 0:
            self._open_streams(1)
        return 0


class Engine:
    """One connection's frames; what they are to cause on the wire waits in `take_output`."""

    __slots__ = ("_h2", "_is_over", "_processed", "goaway_sent")

    def __init__(self, streams: int, window: int, max_fields: int) -> None:
        config = H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
        self._h2 = h2 = _Connection(config)
        h2.encoder = cast(Any, FieldEncoder())
        h2.decoder = _Decoder()
        h2.decoder.max_header_list_size = max_fields
        h2.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: streams,
                SettingCodes.INITIAL_WINDOW_SIZE: window,
                SettingCodes.MAX_HEADER_LIST_SIZE: max_fields,
                SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
            },
        )
        h2.remote_settings = _ClientSettings(client=True)
        h2.initiate_connection()
        h2.increment_flow_control_window(CONNECTION_WINDOW - 65535)
        self._is_over = False
        self._processed = 0
        self.goaway_sent = False

    @property
    def last_stream(self) -> int:
        """The highest stream that the client opened."""
        return self._h2.highest_inbound_stream_id

    def receive(self, received: bytes) -> tuple[Sequence[Event], Fault | None]:
        """What the bytes mean, or why the connection must end (h2 has said GOAWAY then)."""
        try:
            return self._h2.receive_data(received), None
        except ProtocolError as error:
            self.goaway_sent = True
            cause = "h2_protocol_error"
            if error.error_code == ErrorCodes.ENHANCE_YOUR_CALM:
                cause = "h2_flood"
            return (), Fault(int(error.error_code), cause, type(error).__name__)

    def send_head(self, stream_id: int, fields: Headers, is_end: bool) -> None:
        """Send a head. Raises: ProtocolError when the stream is over."""
        self._h2.send_headers(stream_id, fields, end_stream=is_end)

    def send_data(self, stream_id: int, content: bytes, is_end: bool) -> None:
        """Send content that `window` allows. Raises: ProtocolError when the stream is over."""
        self._h2.send_data(stream_id, content, end_stream=is_end)

    def window(self, stream_id: int) -> int:
        """Bytes that the client takes on the stream now. Raises: ProtocolError when it is over."""
        return self._h2.local_flow_control_window(stream_id)

    def reset(self, stream_id: int, code: int) -> None:
        """End a stream; nothing where it is over."""
        if not self._is_over:
            with suppress(StreamClosedError):
                self._h2.reset_stream(stream_id, code)

    def processed(self, size: int) -> None:
        """`size` bytes came on some stream: the connection's window is opened by them."""
        self._processed += size
        if self._processed >= CONNECTION_WINDOW // 4:
            self._h2.increment_flow_control_window(self._processed)
            self._processed = 0

    def open_window(self, stream_id: int, size: int) -> None:
        """Let the client send `size` bytes more on a stream; nothing where it is over."""
        stream = None if self._is_over else self._h2.streams.get(stream_id)
        if stream is not None and stream.open:
            self._h2.increment_flow_control_window(size, stream_id)

    def ping(self, word: bytes) -> None:
        """Ask for eight bytes back."""
        self._h2.ping(word)

    def let_go(self) -> None:
        """The connection is lost: what fills h2 would stay until the next garbage collection."""
        self._is_over = True
        vars(self._h2).clear()

    def take_output(self) -> bytes:
        """The bytes to send now."""
        return self._h2.data_to_send()


def goaway(last_stream: int, code: int) -> bytes:
    """The frame; written past h2, which would not go on with the streams after it."""
    frame: bytes = GoAwayFrame(0, last_stream_id=last_stream, error_code=code).serialize()
    return frame
