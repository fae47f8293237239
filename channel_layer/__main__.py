"""The layer's own commands: `python -m channel_layer dead-letters list`.

Starts no process; the bundled Valkey is `python -m channel_layer.embedded`.
"""

import click

from channel_layer.dead_letters import dead_letters


@click.group(context_settings={"max_content_width": 100})
def commands() -> None:
    """Look after the channel layer of a site."""


commands.add_command(dead_letters, "dead-letters")

if __name__ == "__main__":
    commands(prog_name="python -m channel_layer")
