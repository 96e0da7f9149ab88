"""SQLAlchemy's engines, which know to which server their pools connect."""

from .sqlalchemy import watch_engines as watch

__all__ = ["watch"]
