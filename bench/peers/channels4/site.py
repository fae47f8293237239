"""The measured work on Channels 4: the same page, the same echo, the same group.

Runs in its own virtual environment (requirements.txt), never in ours.
"""

import os

import django
from asgiref.sync import async_to_sync
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

from bench.page import page

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of no use",
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [os.environ["REDIS_URL"]], "capacity": 5000},
        }
    },
)
django.setup()


def show_page(_request):
    """The page."""
    return HttpResponse(page())


def tell(request):
    """Tell all sockets what was posted."""
    layer = get_channel_layer()
    async_to_sync(layer.group_send)("all", {"type": "told", "text": request.body.decode()})
    return HttpResponse(status=204)


class Echo(AsyncWebsocketConsumer):
    """Sends back what came."""

    async def receive(self, text_data=None, bytes_data=None):
        """Echo."""
        await self.send(text_data=text_data)


class All(AsyncWebsocketConsumer):
    """Hears what is told to all."""

    async def connect(self):
        """Accept, and hear what is told to all."""
        await self.channel_layer.group_add("all", self.channel_name)
        await self.accept()

    async def disconnect(self, _code):
        """Leave."""
        await self.channel_layer.group_discard("all", self.channel_name)

    async def told(self, event):
        """Pass it on."""
        await self.send(text_data=event["text"])


urlpatterns = [path("page", show_page), path("tell", tell)]
application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": URLRouter([path("echo", Echo.as_asgi()), path("all", All.as_asgi())]),
    }
)
