"""Say which version this is, without importing anything."""

VERSION = "0.1.0"
