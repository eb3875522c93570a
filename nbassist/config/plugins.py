"""What other packages add: backends, displays and commands, through entry points.

A package declares them in its `pyproject.toml`; nothing of it is imported before the name is used::

    [project.entry-points."nbassist.backends"]
    mine = "package.module:connect"     # connect(base_url, api_key) -> Backend

    [project.entry-points."nbassist.displays"]
    mine = "package.module:make_view"   # make_view(shell) -> CellView

    [project.entry-points."nbassist.commands"]
    mine = "package.module:command"     # command(magics, words) -> the cell's result
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ..errors import SettingsError

Group: TypeAlias = Literal["nbassist.backends", "nbassist.displays", "nbassist.commands"]


def plugin_names(group: Group) -> tuple[str, ...]:
    """Return the names that installed packages add, sorted; empty where there are none."""
    from importlib.metadata import entry_points  # it reads the metadata of each package that is installed

    # As a set: two packages may add one name, and the first that is found counts.
    return tuple(sorted({point.name for point in entry_points(group=group)}))


def load_plugin(group: Group, name: str) -> Any:
    """Return what a package adds under a name.

    Raises
    ------
    SettingsError
        Where no package adds it, or the one that does can't be imported.
    """
    from importlib.metadata import entry_points

    for point in entry_points(group=group, name=name):
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            raise SettingsError(f"{name} of {group} ({point.value}) can't be loaded: {error}") from error
    raise SettingsError(f"no installed package adds {name!r} to {group}")
