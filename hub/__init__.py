"""The hub: one place for the tools and models that agents use.

Open the folders in this order and you read a request:
edge -> identity -> policy -> routing/profile -> dialect/catalogue -> upstream -> ledger.
`model_path` and `tool_path` are the two calls, straight through; `app` constructs every stage.
"""

__version__ = "0.1.0"
