"""The door of MCP clients: `/mcp/{profile}`, in both eras of the protocol."""
