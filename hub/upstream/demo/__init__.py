"""The model that the hub answers for itself, without network: it follows rules, and says that it is a demo."""
