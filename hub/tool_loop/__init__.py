"""Tools on the server's side: a call that names a profile of this hub has its tools called here, until the answer."""

from hub.tool_loop.loop import ToolLoop

__all__ = ["ToolLoop"]
