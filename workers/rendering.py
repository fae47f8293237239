"""Jinja2 templates of one folder, always escaped: whole pages and single macros.

It knows no page of any application; what every template may use comes in as `globals_`.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.errors import ConfigurationError


class _Environment(Environment):
    """An environment whose globals are there before its first template."""

    def make_globals(self, own: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The globals of one template: a plain dict, which each rendering begins with a copy of.

        Jinja's own is a chain of two, by which later globals would be seen; copying that takes a
        small page as long as all the rest of its rendering.
        """
        return {**self.globals, **(own or {})}


class Templates:
    """The templates below `folder`, each compiled once.

    An unknown name in a template is an error, not an empty place. `auto_reload` looks at the
    files' times at each use: for development. Other keyword arguments become globals.

    Raises: ConfigurationError when there is no such folder.
    """

    def __init__(self, folder: Path, *, auto_reload: bool = False, **globals_: Any) -> None:
        if not folder.is_dir():
            raise ConfigurationError(f"expected a folder of templates at {folder}")
        self._environment = _Environment(
            loader=FileSystemLoader(folder),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=auto_reload,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=-1,
        )
        self._environment.globals.update(globals_)

    def render(self, name: str, /, **context: Any) -> str:
        """The page that template `name` makes of `context`, as plain text."""
        return str(self._environment.get_template(name).render(context))

    def fragment(self, template: str, macro: str, /, **arguments: Any) -> str:
        """What a macro of a template makes of `arguments`: the same bytes as within a page.

        Raises: ConfigurationError when the template has no such macro.
        """
        module = self._environment.get_template(template).module
        found = getattr(module, macro, None)
        if found is None:
            raise ConfigurationError(f"template {template!r}: expected a macro {macro!r}")
        # A Markup would escape whatever it is joined with later on.
        return str(found(**arguments))
