"""Worker threads of a test, and one watchdog that looks after them."""

import threading
from random import Random

from channel_layer.answers import UnderWay
from channel_layer.redis_blocking import RedisLayer
from workers.handling import Handling
from workers.watchdog import Watchdog
from workers.worker import Worker, WorkerSettings


def unheard(error):
    """A commit under way that gets an error for its answer."""

    def answer():
        raise error

    return UnderWay(lambda: True, answer)


class Crew:
    """Worker threads that run an application, with one watchdog."""

    def __init__(self, settings):
        self._settings = settings
        self._threads = []
        self._looking = threading.Event()
        self.workers = []
        self.layers = []
        self._others = []

    def start(self, name, app, layer=None, **limits):
        """Start a worker."""
        layer = layer or RedisLayer(self._settings)
        handling = Handling(app, lambda _: b"", Random(1))
        worker = Worker(name, layer, handling, WorkerSettings(app.channels, **limits), Random(1))
        self.workers.append(worker)
        self.layers.append(layer)
        self._run(worker.run)
        worker.looked.wait(5)
        return worker

    def watch(self, app, lease_s=10.0):
        """Start the watchdog; gives the event that says a handler is overdue."""
        handling = Handling(app, lambda _: b"", Random(1))
        own = RedisLayer(self._settings)
        self._others.append(own)
        dog = Watchdog(own, self.workers, handling, lease_s)
        overdue = threading.Event()

        def look():
            while not self._looking.wait(0.02):
                if dog.look():
                    overdue.set()

        self._run(look)
        return overdue

    def _run(self, run):
        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def stop(self):
        """End all threads."""
        for worker, layer in zip(self.workers, self.layers, strict=True):
            worker.stop()
            layer.unblock()
        self._looking.set()
        for thread in self._threads:
            thread.join(15)
        assert not any(thread.is_alive() for thread in self._threads)
        for layer in (*self.layers, *self._others):
            layer.close()
