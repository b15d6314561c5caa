"""Whatever a file's columns hold, the contract inferred from the file refuses none of its rows."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from entrepot.detect.infer import column_infos, infer_contract
from entrepot.detect.profile import merge_profiles, profile_chunk
from entrepot.formats.split import Splitter
from entrepot.formats.write import delimited_lines
from entrepot.mapping import map_columns
from entrepot.model.contract import Mode
from entrepot.model.source import Detection
from entrepot.model.steps import LoadSpec
from entrepot.validate import validate_chunk

CELLS = {
    "mixed dates": ["31/12/2024", "2024-02-29", "5 May 2024", "1. März 2023", "2024-W05-3", "28/02/23"],
    "open dates": ["01/02/2024", "3/4/2024", "11.12.2024"],
    "moments": ["2024-01-31 10:20", "31/01/2024 5:30 PM", "2024-01-31T10:20:30.5", "May 11, 2015 at 6:55PM"],
    "instants": ["2024-01-31T10:20:30Z", "Wed May 21 00:00:00 EDT 2008", "2016/12/11 8:42:47 AM GMT+5"],
    "dollars": ["$1,234.50", "(1,234.50)", "$5", "-$3.10", "1,234,567"],
    "euros": ["1.234,50 €", "12,00 €", "7"],
    "numbers": ["1", "-2", "3.5", "1e5", "+4", "007", "12345678901234567", "1,234"],
    "percent": ["45%", "12.5 %", "3"],
    "booleans": ["ja", "nein", "Ja", "oui", "non"],
    "words": ["n/a", "-", "x", " ", "#####"],
    "created_at": ["1465586035", "1475586035.5"],
    "date": ["20240131", "20231231", "45000"],
}
column = st.sampled_from(sorted(CELLS)).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.lists(st.one_of(st.none(), *(st.just(c) for c in CELLS[name])), min_size=12, max_size=12),
        st.sampled_from([None, "n/a", "2024-01-31", "7"]),
    )
)


@given(st.lists(column, min_size=2, max_size=5), st.integers(40, 400))
@settings(max_examples=60, deadline=None)
def test_infer_refuses_nothing_in_the_same_file(columns: list, chunk_bytes: int) -> None:
    names = [f"{name} {n}" for n, (name, _, _) in enumerate(columns)]
    rows = list(zip(*([*cells, odd] for _, cells, odd in columns), strict=True))
    header = delimited_lines([["row", *names]], ",")
    data = header + delimited_lines([[f"r{n}", *row] for n, row in enumerate(rows)], ",")
    found = Detection(columns=["row", *names], data_start=len(header), size=len(data))
    splitter = Splitter(found, chunk_bytes)
    chunks = splitter.feed(data[found.data_start :]) + splitter.finish()
    profile = merge_profiles(profile_chunk(data[c.start : c.end], found, c) for c in chunks)
    contract = infer_contract(found, profile, "a file")
    spec = LoadSpec(
        tenant="main",
        job_id="j",
        contract=contract,
        mode=Mode.APPEND,
        detection=found,
        mapping=map_columns(found.columns, contract, {}).mapped,
        target_schema="public",
        target_table="t",
        create_target=True,
        columns=[],
    )
    done = [validate_chunk(data[c.start : c.end], spec, c) for c in chunks]
    assert not [q for v in done for q in v.quarantined]
    assert sum(batch.num_rows for v in done for batch in v.batches) == len(rows)
    # What `inspect` says differs from the contract only where it says why.
    for info, field in zip(column_infos(found, profile), contract.fields, strict=True):
        assert info.type == field.type or info.doubts
