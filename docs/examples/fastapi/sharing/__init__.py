"""A small web service around Connections: FastAPI, SQLAlchemy and connect-core."""
