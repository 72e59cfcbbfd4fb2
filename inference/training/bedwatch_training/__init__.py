"""Makes bedwatch's model bundles. One entry point per step; see ../README.md.

Everything is seeded and takes the data directory as an argument. No patient
record is ever written into a bundle: only weights, normalisation constants
and aggregate figures leave this package.
"""

SEED = 20190207
