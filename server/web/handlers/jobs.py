"""Jobs: what is done in the background, and how far it is."""

from __future__ import annotations

from server.accounts import Action, Resource
from server.store.records import Job
from server.web import caption_schemas as schemas
from server.web import caption_views as views
from server.web.routing import Call, RouteTable

table = RouteTable("jobs")


async def load(call: Call) -> Resource:
    """The job that the address names. Raises NotFound."""
    job: Job = await call.services.store.jobs.get(call.path("id"))
    call.subject = job
    return Resource("job", job.id, job.owner)


@table.route(
    "GET", "/api/v1/jobs", Action.LIST_JOBS, "Jobs, newest first", query=schemas.JobQuery, answer=schemas.JobList
)
async def list_jobs(call: Call) -> schemas.JobList:
    query = call.query(schemas.JobQuery)
    page = await call.services.store.jobs.page(
        call.actor.id,
        subject=query.subject,
        state=query.state,
        kind=query.kind,
        limit=query.limit,
        cursor=query.cursor,
    )
    return schemas.JobList(items=[_shown(call, item) for item in page.items], total=page.total, next=page.next)


@table.route(
    "GET", "/api/v1/jobs/queue", Action.LIST_JOBS, "What waits, and how far one's own jobs are", answer=schemas.LineOut
)
async def read_queue(call: Call) -> schemas.LineOut:
    return views.line(call.services.jobs.line, call.actor.id)


@table.route("GET", "/api/v1/jobs/{id}", Action.READ_JOB, "One job", resource=load, answer=schemas.JobOut)
async def read_job(call: Call) -> schemas.JobOut:
    return _shown(call, call.subject)


def _shown(call: Call, job: Job) -> schemas.JobOut:
    return views.job(job, call.services.jobs.line.places.get(job.id))


@table.route(
    "POST",
    "/api/v1/jobs/{id}/cancel",
    Action.CANCEL_JOB,
    "Have a job done no more",
    resource=load,
    answer=schemas.JobOut,
    errors=(409,),
)
async def cancel_job(call: Call) -> schemas.JobOut:
    return _shown(call, await call.services.jobs.cancel(call.subject.id))


@table.route(
    "POST",
    "/api/v1/jobs/{id}/retry",
    Action.RETRY_JOB,
    "Have a job that failed or was cancelled done once more, from the step that it had reached",
    resource=load,
    answer=schemas.JobOut,
    errors=(409, 503),
)
async def retry_job(call: Call) -> schemas.JobOut:
    return _shown(call, await call.services.jobs.retry(call.subject.id))
