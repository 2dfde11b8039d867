"""Who is the author of a run's commit, and what does it say?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.commitmessage import commit_message, default_message, trailers
from tasks.connections import RepositoryConnection
from tasks.plan import Change
from tasks.repo.message import Person
from tasks.run import Asker, Review, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a commit says of itself."""

    message: str
    trailers: Mapping[str, str]
    author: Person
    committer: Person


def commit_wording(
    run: Run,
    changes: Sequence[Change],
    askers: Sequence[Asker],
    reviews: Sequence[Review],
    connection: RepositoryConnection,
) -> Wording:
    """The message with its placeholders filled, the trailers, author and committer of the commit
    of these changes.

    The author is the task's, else who approved, else who asked, else the configuration's; the
    committer is always the service of the configuration.
    """
    approved = [review.person for review in reviews if review.decision == "approved"]
    executions = [one.triggered_by["executionId"] for one in askers if one.triggered_by]
    execution = str(executions[0]) if executions else None
    template = run.task.commit_message or default_message(run.task)
    source = f"tenant {run.target.tenant}" if run.target else ""
    return Wording(
        message=commit_message(
            template, changes, run=run.id, source=source, execution_id=execution
        ),
        trailers=trailers(
            run.id, run.plan_digest or "", execution_id=execution, reviewers=approved
        ),
        author=_author(run, approved, askers, connection),
        committer=Person(connection.author_name, connection.author_email),
    )


def _author(
    run: Run, approved: Sequence[str], askers: Sequence[Asker], connection: RepositoryConnection
) -> Person:
    people = [*approved, *(one.who for one in askers if one.is_person)]
    name = run.task.author_name or (people[0] if people else connection.author_name)
    return Person(name, run.task.author_email or connection.author_email)
