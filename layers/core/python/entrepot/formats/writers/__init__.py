"""Writers: a module a format, all behind `entrepot.formats.writing.Writer`."""
