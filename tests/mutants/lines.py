"""The single lines on which the promises rest, and the tests that turn red without them."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One line taken away or turned off, and where that has to be noticed."""

    #: What the line is for, in a few words.
    what: str
    file: str
    #: The line as it is, without its indentation; it is in the file once.
    line: str
    #: What stands there instead; None = nothing.
    becomes: str | None
    #: Tests below `tests/`, of which at least one has to fail.
    tests: tuple[str, ...]


_GUARDS = "acceptance/test_guards.py"
_REVIEWS = "acceptance/test_reviews.py"
_READ_BACK = "integration/kestra/test_reading_back.py"
_ATTACKS = "integration/repo/test_attacks.py"

MUTANTS = (
    # -- what is looked at again before a write -------------------------------------------------
    Mutant(
        "source check",
        "tasks/look.py",
        "as_planned = source_now == change.after and target_now == change.before",
        "as_planned = target_now == change.before",
        ("acceptance/test_crossing.py",),
    ),
    Mutant(
        "target check",
        "tasks/look.py",
        "as_planned = source_now == change.after and target_now == change.before",
        "as_planned = source_now == change.after",
        ("acceptance/test_crossing.py",),
    ),
    Mutant(
        "place check in Git",
        "tasks/look.py",
        "return Verdict.WRITE if as_planned and _in_place(change, target, taken) "
        "else Verdict.STALE",
        "return Verdict.WRITE if as_planned else Verdict.STALE",
        ("acceptance/test_moved_meanwhile.py",),
    ),
    Mutant(
        "identities resolved again",
        "tasks/steps.py",
        'if wrong is not None and not run.facts.get("published"):',
        "if False:",
        ("acceptance/test_moved_meanwhile.py",),
    ),
    Mutant(
        "trailer search",
        "tasks/committing.py",
        "found = found_commit(run, repo, tip, changes, contents)",
        "found = None",
        (
            "faults/test_earlier_epochs.py::test_a_commit_that_was_reverted_meanwhile_is_not_made_again",
        ),
    ),
    Mutant(
        "whole trailers only",
        "tasks/repo/history.py",
        "if run_id in {value.strip() for value in values}:",
        "if True:",
        ("integration/repo/test_history.py",),
    ),
    # -- leases, lanes and claims ---------------------------------------------------------------
    Mutant(
        "lease check",
        "workers/lease.py",
        "if self._lost or time.monotonic() + seconds >= self._deadline:",
        "if False:",
        ("integration/redis/test_lease.py",),
    ),
    Mutant(
        "lease asked before a write to Kestra",
        "tasks/kestra/writing.py",
        "self._guard(seconds)",
        None,
        ("integration/kestra/test_writing.py",),
    ),
    Mutant(
        "lease asked before a push",
        "tasks/committing.py",
        "guard(min(repo.connection.timeout, guard.longest))",
        None,
        (f"{_REVIEWS}::test_cancelling_before_the_push_makes_no_commit",),
    ),
    Mutant(
        "late write named",
        "tasks/steps.py",
        "if guard.held():",
        "if True:",
        ("faults/test_redis.py::test_a_write_after_the_lease_is_named_and_no_other_is_started",),
    ),
    Mutant(
        "order of a lane",
        "workers/lanes.lua",
        "if first ~= run then return {first, '', -1} end",
        None,
        ("integration/redis/test_lanes.py",),
    ),
    Mutant(
        "token of a lease",
        "workers/lanes.lua",
        "if holder(lane) ~= token then return false end",
        None,
        ("integration/redis/test_lanes.py",),
    ),
    Mutant(
        "lanes of all or none",
        "workers/lanes.lua",
        "if not found then return grant(run, job, token, ms, keep, lanes) end",
        "if true then return grant(run, job, token, ms, keep, lanes) end",
        ("integration/redis/test_lanes.py",),
    ),
    Mutant(
        "claim",
        "tasks/store/runs.py",
        "if run.epoch == epoch and run.phase in BEFORE[phase]:",
        "if True:",
        ("integration/store/test_one_writer.py", "integration/store/test_records.py"),
    ),
    Mutant(
        "state and epoch of a move",
        "tasks/store/runs.py",
        "here = and_(runs.c.id == run.id, runs.c.state == run.state, runs.c.epoch == run.epoch)",
        "here = and_(runs.c.id == run.id)",
        ("integration/store", "acceptance/test_moved_meanwhile.py"),
    ),
    Mutant(
        "a message asks once",
        "tasks/store/runs.py",
        "if seen is not None:  # by the first try of this very ask, it may be",
        "if False:",
        ("acceptance/test_runs_join.py::test_a_message_that_comes_twice_asks_once",),
    ),
    Mutant(
        "a run waits for its busy twin",
        "workers/base.py",
        "return None  # the equal run publishes this one when it comes to rest",
        "pass",
        (
            "acceptance/test_runs_join.py"
            "::test_thirty_equal_asks_are_one_run_and_one_follower_and_all_are_answered",
        ),
    ),
    Mutant(
        "version of the base",
        "tasks/store/bases.py",
        "if _read(db, pair, part).version == read_at.version:",
        "if True:",
        ("integration/store/test_records.py",),
    ),
    Mutant(
        "a survey is recorded once",
        "tasks/steps.py",
        "if not recorded:",
        "if False:",
        ("acceptance/test_moved_meanwhile.py",),
    ),
    # -- deletions ------------------------------------------------------------------------------
    Mutant(
        "guard: deletion budget",
        "tasks/guards.py",
        "*_over_budget(task.deletion_budget, gone, parts),",
        None,
        ("unit/test_guards.py",),
    ),
    Mutant(
        "guard: emptied namespace",
        "tasks/guards.py",
        "*_emptied(task.deletion_budget, changes, parts),",
        None,
        ("unit/test_guards.py",),
    ),
    Mutant(
        "guard: first contact",
        "tasks/guards.py",
        "found += _first_contact(deleted)",
        "pass",
        ("unit/test_guards.py",),
    ),
    Mutant(
        "guards make a run wait",
        "tasks/deciding.py",
        "return State.WAITING if run.task.reviewed or plan.guards else State.WRITING",
        "return State.WAITING if run.task.reviewed else State.WRITING",
        (f"{_GUARDS}::test_more_deletions_than_the_budget_wait_for_the_figure",),
    ),
    Mutant(
        "empty source",
        "tasks/guards.py",
        "return found + _empty_source(task, parts)",
        "return found",
        (f"{_GUARDS}::test_an_emptied_repository_is_refused",),
    ),
    Mutant(
        "an unread part holds back deletions",
        "tasks/guards.py",
        "change.model_copy(update=held) if change.action is Action.DELETE else change",
        "change",
        (f"{_GUARDS}::test_a_part_that_cannot_be_read_holds_back_every_deletion",),
    ),
    Mutant(
        "protected namespace",
        "tasks/policy.py",
        "if is_protected(part.namespace, protected):",
        "if False:",
        ("unit/test_policy.py",),
    ),
    Mutant(
        "protected by now",
        "tasks/holding.py",
        "if change.action is Action.DELETE and is_protected(change.namespace, protected)",
        "if False",
        ("acceptance/test_held_back.py",),
    ),
    Mutant(
        "a deletion of a move waits for its other half",
        "tasks/holding.py",
        "if change.moved_to is not None and change.moved_to not in landed",
        "if False",
        ("acceptance/test_held_back.py",),
    ),
    Mutant(
        "a half move makes no commit",
        "tasks/committing.py",
        "todo = [one for one in todo if one not in held_back]",
        None,
        ("acceptance/test_held_back.py",),
    ),
    Mutant(
        "onStale FAIL in Git",
        "tasks/committing.py",
        "if run.task.on_stale is OnStale.FAIL and Verdict.STALE in verdicts.values():",
        "if False:",
        ("acceptance/test_held_back.py",),
    ),
    Mutant(
        "onStale FAIL in a namespace of Kestra",
        "tasks/writing.py",
        "if stale and run.task.on_stale is OnStale.FAIL:",
        "if False:",
        ("acceptance/test_held_back.py",),
    ),
    Mutant(
        "onStale FAIL holds back deletions",
        "tasks/holding.py",
        'if run.task.on_stale == "FAIL" and any(one.how is How.STALE for one in done):',
        "if False:",
        ("acceptance/test_held_back.py",),
    ),
    Mutant(
        "two files of one id",
        "tasks/snapshots.py",
        "refused.append(_duplicate(part, name, [path for path, _, _ in same]))",
        "pass",
        ("unit/test_snapshots.py",),
    ),
    Mutant(
        "rewritten history",
        "tasks/pinning.py",
        "return (Problem(code=Code.HISTORY_REWRITTEN, where=target.branch, message=message, "
        "fatal=True),)",
        "return ()",
        (f"{_GUARDS}::test_a_rewritten_branch_is_refused",),
    ),
    Mutant(
        "missing branch of a source",
        "tasks/pinning.py",
        "if Side.GIT in {task.source(kind) for kind in task.kinds}:",
        "if False:",
        (f"{_GUARDS}::test_a_typo_in_the_branch_is_refused_with_the_nearest_name",),
    ),
    Mutant(
        "a run that may not delete settles nothing",
        "tasks/ending.py",
        "settles = deletes and state in {State.APPLIED, State.UNCHANGED}",
        "settles = state in {State.APPLIED, State.UNCHANGED}",
        ("acceptance/test_decision_table.py",),
    ),
    # -- the plan that was seen -----------------------------------------------------------------
    Mutant(
        "followers end",
        "tasks/ending.py",
        "if reviewed or run.depth >= FOLLOWERS or end.state not in {State.PARTIAL, State.STALE}:",
        "if reviewed or end.state not in {State.PARTIAL, State.STALE}:",
        ("acceptance/test_moved_meanwhile.py",),
    ),
    Mutant(
        "approved digest",
        "workers/producer.py",
        "if digest != run.plan_digest:",
        "if False:",
        (f"{_REVIEWS}::test_another_digest_than_that_of_the_plan_approves_nothing",),
    ),
    Mutant(
        "repeated figure",
        "workers/producer.py",
        "if wrong or (plan.guards and deletions is None):",
        "if False:",
        (f"{_GUARDS}::test_more_deletions_than_the_budget_wait_for_the_figure",),
    ),
    Mutant(
        "whoever asked does not approve",
        "workers/producer.py",
        "if rule.not_asker and person in {one.who for one in self._tools.runs.askers(run.id)}:",
        "if False:",
        (f"{_REVIEWS}::test_only_who_is_named_and_did_not_ask_may_approve",),
    ),
    Mutant(
        "cancelled before the next write",
        "tasks/guard.py",
        "if self.is_cancelled():",
        "if False:",
        (f"{_REVIEWS}::test_cancelling_stops_a_job_before_its_next_write",),
    ),
    # -- what the other side says ---------------------------------------------------------------
    Mutant(
        "read-back",
        "tasks/kestra/writing.py",
        "return self._found is not None and one.key in self._sent and one.holds(self._found)",
        "return one.key in self._sent",
        (_READ_BACK,),
    ),
    Mutant(
        "what was saved meanwhile is left alone",
        "tasks/kestra/writing.py",
        "alone = (self._alone(one) for one in left if one.key in self._sent and one.stands(found))",
        "alone = (self._alone(one) for one in left if one.key in self._sent)",
        (_READ_BACK,),
    ),
    Mutant(
        "a total that changes",
        "tasks/kestra/paging.py",
        "if expected is not None and total != expected:",
        "if False:",
        ("integration/kestra/test_reading.py",),
    ),
    Mutant(
        "a row that comes twice",
        "tasks/kestra/paging.py",
        "if not len(found) == len(names) == expected:",
        "if False:",
        ("integration/kestra/test_reading.py",),
    ),
    Mutant(
        "a short export",
        "tasks/kestra/flows.py",
        "return count < listing.total",
        "return False",
        ("integration/kestra/test_reading.py",),
    ),
    Mutant(
        "a short export where there are drafts",
        "tasks/kestra/flows.py",
        "return any(_entry_name(key) not in unknown for key in missing)",
        "return False",
        ("integration/kestra/test_reading.py",),
    ),
    Mutant(
        "damage of an archive",
        "tasks/kestra/archives.py",
        "if len(content) != entry.file_size or zlib.crc32(content) != entry.CRC:",
        "if False:",
        ("unit/test_archives.py",),
    ),
    Mutant(
        "damage of a content",
        "tasks/store/contents.py",
        "if content_digest(content) != name:",
        "if False:",
        ("integration/store/test_contents.py",),
    ),
    Mutant(
        "compare-and-swap of a push",
        "tasks/repo/push.py",
        '"--recurse-submodules=no", f"--force-with-lease={ref}:{expected}",',
        '"--recurse-submodules=no", "--force",',
        ("integration/repo/test_push.py",),
    ),
    Mutant(
        "damage is no other history",
        "tasks/repo/history.py",
        "if ended.code and ended.stderr:",
        "if False:",
        (
            "integration/repo/test_mirror.py"
            "::test_an_older_commit_that_cannot_be_read_never_reads_as_another_history",
        ),
    ),
    Mutant(
        "race of a push",
        "tasks/repo/push.py",
        "if said.race or tip != wish.expected:",
        "if False:",
        ("integration/repo/test_push.py",),
    ),
    Mutant(
        "the remote is read after a push",
        "tasks/repo/push.py",
        "landed = tip is not None and (tip == wish.new or holds(tip, wish.new))",
        "landed = said.error is None",
        ("integration/repo/test_push.py",),
    ),
    # -- faults of the servers ------------------------------------------------------------------
    Mutant(
        "what an earlier epoch may have sent",
        "workers/message.py",
        'return run.epoch > 0 or bool(self.request.get("sent")) or leases > told',
        'return bool(self.request.get("sent")) or leases > told',
        (
            "faults/test_earlier_epochs.py::test_a_push_that_an_earlier_epoch_sent_is_not_told_as_failed",
        ),
    ),
    Mutant(
        "what an earlier try has sent",
        "workers/message.py",
        'return run.epoch > 0 or bool(self.request.get("sent")) or leases > told',
        "return run.epoch > 0 or leases > told",
        (
            "faults/test_git.py"
            "::test_a_push_that_landed_is_never_told_as_failed_while_the_server_is_away",
        ),
    ),
    Mutant(
        "patience with a server that is away",
        "workers/base.py",
        "return standing.is_away and standing.waited <= self.runtime.settings.patience",
        "return False",
        (
            "acceptance/test_server_away.py"
            "::test_a_lone_run_waits_for_its_server_as_long_as_its_patience",
        ),
    ),
    Mutant(
        "circuit of a server",
        "workers/circuits.lua",
        "if failures < limit then return away('doubtful', 0, 0) end",
        "if true then return away('doubtful', 0, 0) end",
        ("integration/redis/test_circuits.py",),
    ),
    Mutant(
        "revisions noted before a write",
        "tasks/writing.py",
        "looks.note(noted)",
        "pass",
        (
            "acceptance/test_overtaken.py"
            "::test_whoever_takes_a_job_over_knows_what_was_overwritten_before",
        ),
    ),
    Mutant(
        "one's own success after a lost COMMIT",
        "tasks/store/runs.py",
        "return run if run.moved_at == at else change(db, at)",
        "return change(db, at)",
        ("integration/store/test_troubles.py::test_a_transition_whose_commit_is_cut_is_done_once",),
    ),
    Mutant(
        "the base is noted with its result alone",
        "tasks/store/parts.py",
        "if db.execute(_open(run_id, namespace, phase).values(result=result)).rowcount:",
        "if db.execute(_open(run_id, namespace, phase).values(result=result)) is not None:",
        (
            "integration/store/test_records.py"
            "::test_only_the_first_result_of_a_write_job_changes_the_base",
        ),
    ),
    Mutant(
        "nothing older is noted over the base",
        "tasks/store/bases.py",
        "if row.version == noted.read_at.get(part, row.version)",
        "if True",
        (
            "integration/store/test_records.py"
            "::test_what_was_read_without_a_lane_is_not_noted_over_what_is_newer",
        ),
    ),
    Mutant(
        "clock of a worker",
        "workers/broker.py",
        'check_skew(clock_skew(client), "Redis", visibility)',
        "pass",
        ("faults/test_clocks.py::test_a_clock_that_is_behind_that_of_redis",),
    ),
    Mutant(
        "a message that Redis does not acknowledge",
        "workers/unacked.py",
        "virtual.QoS.ack(self, delivery_tag)",
        "pass",
        (
            "integration/redis/test_delivery.py"
            "::test_messages_whose_acknowledgement_is_cut_neither_stay_nor_take_the_place_of_others",
        ),
    ),
    Mutant(
        "an answer that was never given",
        "workers/janitor.py",
        '"answered": self._answer,',
        None,
        (
            "integration/redis/test_janitor.py"
            "::test_a_run_at_rest_whose_end_was_told_to_nobody_is_answered",
        ),
    ),
    # -- hostile input and secrets --------------------------------------------------------------
    Mutant(
        "an archive of fewer entries than its end says",
        "tasks/kestra/archives.py",
        "if count != len(entries):",
        "if False:",
        ("unit/test_archives.py",),
    ),
    Mutant(
        "answers packed twice",
        "tasks/channel.py",
        "if packing not in PACKINGS:",
        "if False:",
        ("integration/kestra/test_lies.py",),
    ),
    Mutant(
        "one line of the log",
        "workers/logs.py",
        "return visible_line(super().formatMessage(record))",
        "return super().formatMessage(record)",
        ("unit/test_logs.py",),
    ),
    Mutant(
        "redirects of Kestra",
        "tasks/kestra/client.py",
        'if call.method != "GET" or (there.scheme, there.netloc) != self._origin:',
        "if False:",
        ("integration/kestra/test_asking.py",),
    ),
    Mutant(
        "redirects of Git",
        "tasks/repo/command.py",
        '("http.followRedirects", "false"),',
        None,
        (_ATTACKS,),
    ),
    Mutant(
        "protocols of git",
        "tasks/repo/command.py",
        '"GIT_ALLOW_PROTOCOL": ":".join(self.allowed),',
        None,
        (_ATTACKS,),
    ),
    Mutant(
        "variables that git sees",
        "tasks/repo/command.py",
        "chosen = {name: os.environ[name] for name in _INHERITED if name in os.environ}",
        "chosen = dict(os.environ)",
        (_ATTACKS,),
    ),
    Mutant(
        "file systems that take other names for .git",
        "tasks/layout.py",
        'if _NTFS_GIT.fullmatch(_IGNORED.sub("", name)):',
        "if False:",
        ("unit/test_layout.py",),
    ),
    Mutant(
        "paths of a commit",
        "tasks/repo/commit.py",
        "_check(file)",
        None,
        ("integration/repo/test_commit.py",),
    ),
    Mutant(
        "links and submodules",
        "tasks/snapshots.py",
        "if mode not in _FILE_MODES:",
        "if False:",
        ("unit/test_snapshots.py",),
    ),
    Mutant(
        "segments of an address in Kestra",
        "tasks/kestra/client.py",
        'if any(segment in {"", ".", ".."} for segment in call.path):',
        "if False:",
        ("integration/kestra/test_asking.py",),
    ),
    Mutant(
        "a login in an address",
        "tasks/repo/url.py",
        'if parts.scheme != "ssh" and "@" in parts.netloc:',
        "if False:",
        ("integration/repo/test_url.py",),
    ),
    Mutant(
        "secrets in what git says",
        "tasks/hiding.py",
        'return re.sub("|".join(patterns), MASK, text, flags=re.IGNORECASE)',
        "return text",
        ("integration/repo/test_secrets.py",),
    ),
    Mutant(
        "secrets in the answer to a push",
        "tasks/repo/push.py",
        "return _Said(flag=flag, summary=remote.login.scrub(summary), stderr=said, error=wrong)",
        "return _Said(flag=flag, summary=summary.decode(), stderr=said, error=wrong)",
        ("integration/repo/test_secrets.py",),
    ),
    Mutant(
        "secrets in what Kestra says",
        "tasks/kestra/answers.py",
        'return clean(hidden("; ".join(part for part in parts if part), secrets))',
        'return clean("; ".join(part for part in parts if part))',
        ("integration/kestra/test_login.py",),
    ),
    Mutant(
        "a key in place of its path",
        "tasks/secret.py",
        'if "-----BEGIN" in path or any(character in path for character in "\\r\\n\\0"):',
        "if False:",
        ("unit/config/test_plain_secrets.py",),
    ),
    Mutant(
        "characters that are not seen",
        "tasks/visible.py",
        'return "".join(_escaped(one) if _is_hidden(one) else one for one in text)',
        "return text",
        ("integration/cli/test_runs.py::test_hostile_names_steer_no_terminal",),
    ),
    Mutant(
        "JSON alone",
        "workers/delivery.py",
        '"accept_content": ["json"],',
        '"accept_content": ["json", "pickle"],',
        ("acceptance/test_stranger.py::test_anything_but_json_is_thrown_away_unread",),
    ),
)
