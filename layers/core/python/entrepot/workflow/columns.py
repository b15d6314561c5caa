"""Which columns of the job's objects feed which fields, and what their columns are together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from entrepot.detect.model import ColumnProfile
from entrepot.detect.profile import Profile, merge_profiles
from entrepot.errors import SourceError, TargetError
from entrepot.mapping import MappingResult, map_columns
from entrepot.model.contract import Blank, Contract, Mode
from entrepot.model.job import Job, MappedColumn, MergeOptions
from entrepot.model.source import Chunk, Detection
from entrepot.model.steps import Input, LoadSpec, MergeRange
from entrepot.workflow.inputs import blocks, detection_of, every_input, read_block, write_block
from entrepot.workflow.world import World

MOST_DOUBTS = 50


@dataclass(slots=True)
class Mapped:
    """What feeds the fields.

    Attributes:
        columns: Every fed field once, with the first column that feeds it.
        doubts: What people should know.
        question: What a person is asked about the mapping; None when it is sure.
        asked: The object that the question is about.
    """

    columns: list[MappedColumn] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    question: dict[str, Any] | None = None
    asked: Detection | None = None


def map_inputs(world: World, job: Job, contract: Contract) -> Mapped:
    """Maps every object's columns and keeps each mapping beside its object.

    Raises:
        SourceError: An object feeds no field, or (unless rows are merged) other fields than the first one.
    """
    found = Mapped()
    if not job.source.inputs:
        result = _mapped(next(every_input(world, job)), contract, job, "")
        return Mapped(result.mapped, result.doubts, None if result.sure else _question(result))
    doubts: Counter[str] = Counter()
    for number in range(blocks(job)):
        block = read_block(world, job, number)
        for place, one in enumerate(block):
            result = _mapped(one, contract, job, one.source.name)
            doubts.update(result.doubts)
            if job.options.merge is not None:
                result.missing_required = [n for n in result.missing_required if n in contract.key]
            elif found.columns:
                _same_fields(found.columns, result, one)
            if not result.sure:
                return Mapped([], [], {**_question(result), "input": one.source.name}, detection_of(one))
            known = {m.field for m in found.columns}
            found.columns += [m for m in result.mapped if m.field not in known]
            block[place] = one.model_copy(update={"mapping": result.mapped})
        write_block(world, job, number, block)
    if job.options.merge is not None:
        _all_fed(found, contract)
    # What holds for each object is said once.
    found.doubts = [text for text, times in doubts.items() if times == job.source.inputs][:MOST_DOUBTS]
    return found


def _mapped(one: Input, contract: Contract, job: Job, name: str) -> MappingResult:
    columns = detection_of(one).columns
    stated = job.options.mapping
    if job.source.inputs:
        stated = {c: f for c, f in stated.items() if c in columns}
    result = map_columns(columns, contract, stated)
    if not result.mapped:
        where = f"{name}: none" if name else "None"
        msg = f"{where} of the file's {len(columns)} columns is in contract {contract.name}."
        hint = "Check the delimiter and the header row, or deliver under another contract."
        raise SourceError(msg, hint=hint, reason="no_column_matches", **({"input": name} if name else {}))
    return result


def _question(result: MappingResult) -> dict[str, Any]:
    return {
        "missing": result.missing_required,
        "unused": result.unused_columns[:200],
        "ambiguous": list(result.ambiguous)[:200],
    }


def _same_fields(first: Sequence[MappedColumn], result: MappingResult, one: Input) -> None:
    expected, fed = {m.field for m in first}, {m.field for m in result.mapped}
    if expected == fed or not result.sure:
        return
    lacks, more = sorted(expected - fed), sorted(fed - expected)
    told = [f"lacks {', '.join(lacks[:10])}"] if lacks else []
    told += [f"has {', '.join(more[:10])} besides"] if more else []
    raise SourceError(
        f"{one.source.name} does not feed the same fields as the objects before it: it {' and '.join(told)}.",
        hint="Import it on its own, or merge the objects on their key (options.merge).",
        reason="fields",
        input=one.source.name,
        lacks=lacks[:100],
        more=more[:100],
    )


def _all_fed(found: Mapped, contract: Contract) -> None:
    fed = {m.field for m in found.columns}
    missing = [f.name for f in contract.fields if f.required and f.name not in fed]
    if missing:
        found.question = {"missing": missing, "unused": [], "ambiguous": []}


def merge_ranges(merge: MergeOptions, inputs: Sequence[tuple[int, str]], chunks: Sequence[Chunk]) -> list[MergeRange]:
    """The chunks of every object, first the object whose values come first.

    Args:
        merge: What was asked for.
        inputs: Place from 0 and name of every object.
        chunks: The job's chunks; those of one object follow each other.

    Raises:
        SourceError: The precedence names an object that is not there, or not the only one of its name.
    """
    ranges: dict[int, MergeRange] = {}
    for chunk in chunks:
        known = ranges.get(chunk.input)
        ranges[chunk.input] = MergeRange(first=known.first if known else chunk.n, last=chunk.n)
    order = precedence(merge, [name for _, name in inputs])
    return [ranges[place] for place in order if place in ranges]


def precedence(merge: MergeOptions, names: Sequence[str]) -> list[int]:
    """Places of all objects, from 0, first the one whose values come first.

    Raises:
        SourceError: The precedence names an object that is not there, or not the only one of its name.
    """
    order: list[int] = []
    for wanted in merge.precedence:
        places = [n for n, name in enumerate(names) if wanted in {name, n + 1}]
        if len(places) != 1 or places[0] in order:
            why = "is there twice" if places else "is not among the objects"
            raise SourceError(
                f"The precedence names {str(wanted)[:100]!r}, which {why}.",
                hint="Name each object once: by its name, or by its place from 1.",
                reason="precedence",
            )
        order += places
    return order + [n for n in range(len(names)) if n not in order]


def relaxed(contract: Contract) -> Contract:
    """The contract as it holds for a row that others may complete: what is blank may still be filled."""
    fields = [
        f if f.name in contract.key else f.model_copy(update={"required": False, "blank": Blank.CLEAR, "default": None})
        for f in contract.fields
    ]
    return contract.model_copy(update={"fields": fields})


def check_mergeable(contract: Contract, mode: Mode) -> None:
    """Whether rows of this contract can be merged.

    Raises:
        TargetError: It has no key, or fills blanks before they could be taken from elsewhere.
    """
    if not contract.key:
        raise TargetError("Objects are merged on a key, and the contract has none.", hint="State its key.")
    if mode is Mode.FEED:
        raise TargetError("A feed is taken in its own order and cannot be merged.", hint="Import it on its own.")
    filled = [f.name for f in contract.fields if f.blank is Blank.DEFAULT and f.name not in contract.key]
    if filled:
        raise TargetError(
            f"Field {filled[0]!r} has a default for blanks, which a merge cannot tell from a value.",
            hint="Leave `blank: default` out of contracts that are merged; the table's own default does the same.",
            field=filled[0],
        )


def spec_for(spec: LoadSpec, found: Input) -> LoadSpec:
    """The job's spec as it holds for the rows of one object."""
    if not spec.inputs:
        return spec
    changes: dict[str, Any] = {"detection": detection_of(found), "mapping": found.mapping}
    if spec.merge:
        changes["contract"] = relaxed(spec.contract)
    return spec.model_copy(update=changes)


def merged_columns(world: World, job: Job) -> list[str]:
    """The columns of all objects, each name once, in the order in which they come."""
    return list(dict.fromkeys(c for one in every_input(world, job) for c in detection_of(one).columns))


def merged_profile(parts: Sequence[tuple[Profile, Detection]], columns: Sequence[str]) -> Profile:
    """Profiles of chunks whose columns differ in order or number, as one over all columns."""
    return merge_profiles(_aligned(profile, detection, columns) for profile, detection in parts)


def _aligned(profile: Profile, detection: Detection, columns: Sequence[str]) -> Profile:
    if not profile.columns or detection.columns == list(columns):
        return profile
    by_name = dict(zip(detection.columns, profile.columns, strict=True))
    # Rows of an object without the column have no value in it.
    absent = ColumnProfile(empty=profile.rows)
    return profile.model_copy(update={"columns": [by_name.get(c, absent) for c in columns]})
