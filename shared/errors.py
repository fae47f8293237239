"""The tree of errors that all parts raise; it holds no behaviour beyond carrying the facts.

ChannelsBoardError
├── ConfigurationError        an operator's setting cannot work
├── InvalidName               a channel or group name breaks the naming rules
├── InvalidMessage            a message breaks its format: names key, what came, what was expected
├── LayerError
│   ├── ChannelFull           a list is at its capacity in messages or bytes
│   ├── MessageTooLarge       one message is over the layer's limit
│   ├── LayerUnavailable      the broker cannot be reached now; the step may be repeated
│   └── StepRefused           the broker answered with an error that repeating does not mend
└── BodyGone                  a request's body is no longer in the layer
"""


class ChannelsBoardError(Exception):
    """The root of every error that this project raises on purpose."""


class ConfigurationError(ChannelsBoardError):
    """A setting that cannot work; its text is meant for the operator."""


class InvalidName(ChannelsBoardError, ValueError):
    """A channel or group name that breaks the rules.

    `name` is what came, `expected` the rule in words.
    """

    def __init__(self, name: object, expected: str) -> None:
        super().__init__(f"expected {expected}, got {shortened(name)}")
        self.name = name
        self.expected = expected


class InvalidMessage(ChannelsBoardError, ValueError):
    """A message whose `key` holds something else than `expected`; `came` is a short repr."""

    def __init__(self, key: str, expected: str, came: object) -> None:
        self.key = key
        self.expected = expected
        self.came = shortened(came)
        super().__init__(f"key {key!r}: expected {expected}, got {self.came}")


class LayerError(ChannelsBoardError):
    """A step of the channel layer that could not be taken."""


class ChannelFull(LayerError):
    """The list behind `channel` is at its capacity; nothing was sent."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"the list of channel {channel!r} is at its capacity")
        self.channel = channel


class MessageTooLarge(LayerError):
    """A message of `size_bytes` is over the layer's limit of `limit_bytes`; nothing was sent."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"a message of {size_bytes} bytes is over the limit of {limit_bytes}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class LayerUnavailable(LayerError):
    """The broker does not answer now; the caller may try the same step again."""


class StepRefused(LayerError):
    """The broker answered a step with an error that repeating does not mend; `answer` is its text.

    `is_gap`: a batch of sends was not performed, since one before it is not known to the broker.
    """

    def __init__(self, answer: str) -> None:
        super().__init__(f"expected the broker to take a step, got {answer}")
        self.answer = answer
        self.is_gap = answer.startswith("GAP")


class BodyGone(ChannelsBoardError):
    """The body on `channel` expired or was dropped before it was read."""

    def __init__(self, channel: str) -> None:
        super().__init__(f"the request body on {channel!r} is no longer in the layer")
        self.channel = channel


def shortened(value: object, limit: int = 80) -> str:
    """A repr of `value` of at most `limit` characters, with its type named when cut."""
    text = repr(value)
    if len(text) <= limit:
        return text
    return f"{text[: limit - 1]}… ({type(value).__name__})"
