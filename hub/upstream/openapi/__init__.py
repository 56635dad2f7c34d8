"""HTTP APIs as MCP servers: their OpenAPI documents become tools."""
