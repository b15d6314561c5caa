"""`entrepot.inspect` and `entrepot.convert`: every format through one door, with the readers that an import has."""
