"""HMIS CSV exports (the American format of homelessness services, FY2022 to FY2026) read as pathways.

What becomes what is told in docs/reference/hmis-mapping.md, tested against these files.
"""
