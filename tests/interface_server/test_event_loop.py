"""The reactor of a server process, in a process of its own: this one has another already."""

import subprocess
import sys

_PROGRAM = """
import os, socket, sys
from interface_server import event_loop
event_loop.install()
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

class Bad(Protocol):
    def dataReceived(self, data):
        if data == b"bad":
            raise ValueError("told to")
        self.transport.write(data)

class Client(Protocol):
    def connectionMade(self):
        self.transport.write(self.factory.word)
    def dataReceived(self, data):
        print("answered", data.decode())
        reactor.stop()
    def connectionLost(self, why):
        if self.factory.word == b"bad":
            print("closed")
            connect(b"good")

def connect(word):
    factory = Factory.forProtocol(Client)
    factory.word = word
    TCP4ClientEndpoint(reactor, "127.0.0.1", port).connect(factory)

from twisted.internet.endpoints import TCP4ClientEndpoint
port = reactor.listenTCP(0, Factory.forProtocol(Bad), interface="127.0.0.1").getHost().port
reactor.callWhenRunning(connect, b"bad")
reactor.run()
print(type(reactor).__module__)
"""


def test_what_one_connection_raises_ends_that_one_only() -> None:
    """It is closed; the next one is served."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split("\n")[:3] == ["closed", "answered good", "interface_server.event_loop"]
