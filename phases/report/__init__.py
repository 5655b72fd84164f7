"""Reports: HTML, pictures, tables and sentences."""
