"""Every setting of the interface server: one class of all sections, and the options of its command.

Each is written once, in the module of its section. Redis and logging are set in `shared.settings`.
"""

from dataclasses import dataclass

from interface_server.settings.compression import CompressionSettings
from interface_server.settings.files import FileSettings
from interface_server.settings.http import HttpSettings
from interface_server.settings.http2 import Http2Settings
from interface_server.settings.listening import ListenSettings
from interface_server.settings.options import MIB, Mount, SectionedCommand, options_of
from interface_server.settings.running import RunningSettings
from interface_server.settings.tls import TlsSettings
from interface_server.settings.websocket import WebSocketSettings
from shared.errors import ConfigurationError

__all__ = ["Mount", "SectionedCommand", "ServerSettings", "server_options"]


@dataclass(frozen=True)
class ServerSettings(
    ListenSettings,
    TlsSettings,
    FileSettings,
    HttpSettings,
    CompressionSettings,
    Http2Settings,
    WebSocketSettings,
    RunningSettings,
):
    """What an interface server needs to know; sizes in bytes, times in seconds (`_s`)."""

    def __post_init__(self) -> None:
        """Refuse what cannot work together. Raises: ConfigurationError."""
        if self.endpoint and self.processes > 1:
            raise ConfigurationError(
                "--endpoint: expected --processes 1, since each process would open it anew; "
                "name the address with --bind instead"
            )
        if self.proxy_protocol and (self.endpoint or not self.trusted_proxies):
            raise ConfigurationError(
                "--proxy-protocol: expected --trusted-proxy for those who send its headers, and no "
                "--endpoint"
            )
        for name, most in (("inline_body", MIB), ("max_message", 16 * MIB)):
            if getattr(self, name) > most:
                raise ConfigurationError(
                    f"{name}: expected at most {most} bytes, what one message of the channel "
                    f"layer carries, got {getattr(self, name)}"
                )
        if len(self.tls_cert) != len(self.tls_key):
            raise ConfigurationError(
                f"expected as many --tls-key as --tls-cert, got {len(self.tls_key)} and "
                f"{len(self.tls_cert)}"
            )


server_options = options_of(ServerSettings, "server")
"""A click command with every option; it receives one `server: ServerSettings`."""
