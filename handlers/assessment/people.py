"""Who is told about a paper."""

from storage.assessment import Assessment
from storage.person import every_address, proxy
from storage.session import Session


async def told_about(session: Session, paper: Assessment) -> list[int]:
    """The person, and whoever typed for them and still may speak for them; each if they ever wrote to us."""
    people = [paper.person_id]
    if paper.filed_by != paper.person_id and await proxy(session, paper.filed_by, paper.person_id):
        people.append(paper.filed_by)
    return [person_id for person_id in people if await every_address(session, person_id)]
