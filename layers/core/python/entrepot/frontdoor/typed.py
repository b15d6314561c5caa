"""Columns of text become columns with types, by what the whole table says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from entrepot.detect.infer import infer_contract
from entrepot.detect.profile import Profile
from entrepot.errors import SourceError
from entrepot.model.source import Detection
from entrepot.validate.field import FieldCheck, Wrongs

if TYPE_CHECKING:
    import pyarrow as pa

    from entrepot.formats.reading import Batch


class Typed:
    """A table's columns with the narrowest type that all of their cells have.

    Text stays text where a type would lose something: zeros in front, more than fifteen digits, mixed formats.

    Args:
        detection: The table's columns; those whose type the source states itself are left as they are.
        profile: Of all its rows.
        schema: As the reader gives them.
    """

    def __init__(self, detection: Detection, profile: Profile, schema: pa.Schema) -> None:
        import pyarrow as pa

        contract = infer_contract(detection, profile, "table")
        mark = contract.decimal_mark
        self._checks: list[FieldCheck | None] = []
        fields = []
        for place, (field, spec) in enumerate(zip(schema, contract.fields, strict=True)):
            stated = place < len(detection.types) and detection.types[place] != ""
            check = (
                None
                if stated or not pa.types.is_string(field.type)
                else FieldCheck(spec, field.name, decimal_mark=mark)
            )
            self._checks.append(check)
            fields.append(field if check is None else pa.field(field.name, check.type))
        self.schema: pa.Schema = pa.schema(fields)

    def batches(self, given: Iterable[Batch]) -> Iterator[pa.RecordBatch]:
        """The rows with their types.

        Args:
            given: What the reader gives.

        Raises:
            SourceError: A cell is not what the profile said: the source changed while it was read.
        """
        import pyarrow as pa

        for batch in given:
            columns, wrongs = [], Wrongs()
            for check, column in zip(self._checks, batch.data.columns, strict=True):
                columns.append(column if check is None else check.run(column, wrongs))
            if wrongs:
                place = min(wrongs.by_place)
                row = batch.rows[place] if batch.rows is not None else batch.first_row + place
                raise SourceError(
                    f"Row {row} is not what it was when the file was looked at.",
                    hint="Convert it again while nobody writes to it.",
                    reason="changed",
                    row=row,
                )
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)
