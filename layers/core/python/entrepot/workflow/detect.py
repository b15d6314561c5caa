"""The detect step: what is this file? Reads as much as it needs and no more."""

from __future__ import annotations

from entrepot.detect import detect_source
from entrepot.errors import NotFoundError, SourceError, UsageError
from entrepot.model.job import JobState, Step
from entrepot.model.steps import StepInput, StepOutput
from entrepot.workflow.life import answer, end, enter, error_info, finish_step, is_over
from entrepot.workflow.world import World


def detect(world: World, step: StepInput) -> StepOutput:
    """Recognises format, encoding, dialect and columns of the job's source.

    A leg that has only publish before it (an approved plan, a publish that was cut short, an undo) is sent there.
    A source that cannot be read as anything ends the job refused, with the reason.
    """
    job = world.jobs.get(step.tenant, step.job_id)
    if is_over(job, step.leg):
        return answer(step, "stop")
    if job.kind == "undo" or Step.GATE in job.done:
        # Nothing is left to be read: what is asked for lies in the database already.
        return answer(step, "publish", chunks_key=job.chunks_key)
    if Step.DETECT in job.done:
        return answer(step, "next")
    entered = enter(world, job, JobState.DETECTING)
    if entered is None:
        return answer(step, "stop")
    job, source = entered, entered.source
    try:
        info = world.blobs.head(source.uri, source.version)
        found = detect_source(
            lambda start, stop: world.blobs.read(source.uri, version=source.version, start=start, end=stop),
            info.size,
            name=source.name,
            delimiter=job.options.delimiter,
            encoding=job.options.encoding,
        )
    except NotFoundError:
        gone = SourceError("The file is no longer there.", hint="Deliver it again.", reason="gone")
        end(world, job, JobState.REFUSED, error=error_info(gone, Step.DETECT))
        return answer(step, "stop")
    except (SourceError, UsageError) as error:
        end(world, job, JobState.REFUSED, error=error_info(error, Step.DETECT))
        return answer(step, "stop")
    progress = job.progress.model_copy(update={"bytes_total": info.size})
    source = source.model_copy(update={"size": info.size})
    changes = {"detection": found, "doubts": found.doubts, "source": source, "progress": progress}
    finish_step(world, job, Step.DETECT, changes)
    return answer(step, "next")
