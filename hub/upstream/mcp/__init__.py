"""MCP servers as upstreams: connections of both eras over every transport, kept in a pool, with each caller's questions."""
