"""Orders: what customers want built, from files into the database, and the plant they are for."""
