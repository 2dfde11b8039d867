"""Who acts on the command line, and what they may do."""

from __future__ import annotations

import pytest

from tasks.access import Person, Role, local_actor
from tasks.configured import Config
from tasks.errors import UserError

PEOPLE = {
    "anna": Person(os="asmith", roles=(Role.READ, Role.APPROVE)),
    "ben": Person(token_sha256="ab" * 32, roles=(Role.ASK,)),
}


def test_the_login_name_makes_the_person_with_their_roles() -> None:
    actor = Config(access=PEOPLE).actor("asmith")
    assert actor.name == "anna"
    actor.check(Role.APPROVE)
    with pytest.raises(UserError, match=r"anna may not ask: add ask to access\.anna\.roles"):
        actor.check(Role.ASK)


def test_a_login_of_nobody_is_refused_even_where_it_is_a_name() -> None:
    with pytest.raises(UserError, match="the login anna belongs to nobody"):
        local_actor(PEOPLE, "anna")


def test_without_people_the_login_itself_may_do_everything() -> None:
    actor = local_actor({}, "root")
    assert actor.name == "root"
    for role in Role:
        actor.check(role)
