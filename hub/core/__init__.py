"""The frozen values that pass between stages, and the one error family. Imports nothing of the hub."""
