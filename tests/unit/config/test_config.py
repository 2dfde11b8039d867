"""What the configuration file says, and how every mistake in it is told."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tasks.artifacts import Kind
from tasks.config import Config, load
from tasks.errors import ConfigError, UserError
from tasks.requests import (
    NamespaceSync,
    OnConflict,
    ReviewRule,
    Side,
    TenantSync,
    equality,
)
from tasks.schedule import Schedule

#: A configuration without a mistake; the tests add to it.
GOOD = """
kestra:
  production: {url: https://kestra.example.com, username: a@b.c, password: {env: KESTRA_PASSWORD}}
repositories:
  flows: {url: https://github.com/example/flows.git, token: {file: secrets/token}}
"""
ONE_SYNC = GOOD + "syncs:\n  nightly:\n    sourceOfTruth: GIT\n    branch: main\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "tenantsync.yaml"
    path.write_text(textwrap.dedent(text).removeprefix("\n"), encoding="utf-8")
    return path


def loaded(folder: Path, text: str) -> Config:
    return load(written(folder, text))


def mistakes(folder: Path, text: str) -> list[str]:
    """The lines of the error, without the name of the file."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_whole_configuration_is_read(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        GOOD
        + """
access:
  anna: {os: anna, roles: [approve]}
defaults: {branch: main, onConflict: SKIP}
syncs:
  all: {sourceOfTruth: GIT, review: {by: [anna], notAsker: true}, schedule: "*/5 * * * *"}
  files:
    sourceOfTruth: KESTRA
    sourceOfTruthOverrides: {FLOW: GIT}
    namespace: company.team
    onConflict: FAIL
    schedule: {cron: 0 2 * * 1-5, timezone: Europe/Berlin}
""",
    )
    whole = config.sync("all")
    assert type(whole) is TenantSync
    assert whole == TenantSync(
        kestra="production",
        repository="flows",
        source_of_truth=Side.GIT,
        branch="main",
        on_conflict=OnConflict.SKIP,
        review=ReviewRule(by=("anna",), not_asker=True),
    )
    one = config.sync("files")
    assert type(one) is NamespaceSync
    assert (one.namespace, one.on_conflict, one.branch) == ("company.team", OnConflict.FAIL, "main")
    assert one.source(Kind.FLOW) is Side.GIT
    assert config.syncs["all"].schedule == Schedule(cron="*/5 * * * *")
    assert config.syncs["files"].schedule == Schedule(cron="0 2 * * 1-5", timezone="Europe/Berlin")


def test_a_named_sync_is_equal_to_the_same_task_asked_in_full(tmp_path: Path) -> None:
    config = loaded(tmp_path, ONE_SYNC + "    schedule: 0 2 * * *\n")
    asked = config.resolve_task(TenantSync(source_of_truth=Side.GIT, branch="main"))
    assert equality(config.sync("nightly")) == equality(asked)
    assert equality(asked) != equality(TenantSync(source_of_truth=Side.GIT, branch="main"))


def test_relative_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    config = loaded(
        folder,
        """
kestra:
  k: {url: http://k, token: {file: ../tokens/k}}
repositories:
  r: {url: "git@example.com:a/b.git", sshKey: keys/id, knownHosts: /etc/ssh/known_hosts}
""",
    )
    token = config.kestra_connection().token
    assert token is not None
    assert token.file == str(folder / "../tokens/k")
    assert config.repository().ssh_key == str(folder / "keys/id")
    assert config.repository().known_hosts == "/etc/ssh/known_hosts"


def test_every_path_of_a_connection_starts_from_the_folder_of_the_file(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
kestra:
  k: {url: https://k, token: {file: t}, caFile: ca, clientCertificate: c, clientKey: k,
      clientKeyPassphrase: {file: p}, proxy: "http://p:1", proxyUsername: u,
      proxyPassword: {file: pp}}
repositories:
  s: {url: "ssh://h/r", sshKey: key, sshPassphrase: {file: sp}, knownHosts: kh}
  a: {url: https://h/r, caFile: ca,
      githubApp: {appId: a, installationId: 1, privateKey: {file: pk}}}
""",
    )
    values = [*config.kestra.values(), *config.repositories.values()]
    written = " ".join(each.model_dump_json() for each in values)
    for name in ("t", "ca", "c", "k", "p", "pp", "key", "sp", "kh", "pk"):
        assert f'"{tmp_path / name}"' in written, name
        assert f':"{name}"' not in written.replace('"username":"u"', ""), name


def test_a_tilde_is_the_home_of_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    config = loaded(tmp_path, "repositories:\n  r: {url: ssh://h/r, sshKey: ~/.ssh/id}\n")
    assert config.repository().ssh_key == "/home/anna/.ssh/id"


def test_anchors_and_merges_are_followed(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        GOOD
        + """
syncs:
  one: &one {sourceOfTruth: GIT, branch: main}
  two: {<<: *one, branch: other}
""",
    )
    assert config.sync("two").branch == "other"


def test_the_only_connection_needs_no_name_and_of_several_one_must_be_named(
    tmp_path: Path,
) -> None:
    config = loaded(tmp_path, GOOD + "  other: {url: https://example.com/other.git}\n")
    assert config.kestra_name() == "production"
    assert config.kestra_connection(None) is config.kestra["production"]
    assert config.repository("other").url == "https://example.com/other.git"
    with pytest.raises(UserError, match="2 entries in repositories: say which: flows, other"):
        config.repository(None)
    with pytest.raises(UserError, match=r"no flow in repositories: did you mean flows\?"):
        config.repository("flow")
    with pytest.raises(UserError, match="no sync nightly; none is configured"):
        config.sync("nightly")


def test_without_any_connection_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="0 entries in kestra: add one"):
        loaded(tmp_path, "repositories: {}").kestra_connection()


def test_a_file_that_is_not_there_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no\.yaml: .*No such file.*TENANTSYNC_CONFIG"):
        load(tmp_path / "no.yaml")


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "just text\n"])
def test_a_file_without_keys_is_told(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text) == ["1: the file has no keys; begin with kestra: and so on"]


def test_all_mistakes_are_told_at_once_in_the_order_of_lines(tmp_path: Path) -> None:
    told = mistakes(
        tmp_path,
        """
kestra:
  prod: {url: http://k, username: a, password: hunter2}
repositories:
  flows: {url: https://h/r.git, tokn: {env: T}}
syncs:
  a: {sourceOfTruth: GIT, branch: main, kestra: prd}
  b:
    sourceOfTruth: KESTA
    sourceOfTruth: GIT
    branch: 1.10
webhooks: {}
""",
    )
    assert told == [
        "2: kestra.prod.password: a secret stands here in plain text; write {env: NAME} or"
        " {file: PATH} in its place, and change the secret if others have seen this file",
        "4: repositories.flows.tokn: unknown key; did you mean token?",
        "6: syncs.a.kestra: there is no prd; did you mean prod?",
        "9: syncs.b.sourceOfTruth: this key stands twice, in lines 8 and 9; keep one",
        "10: syncs.b.branch: is no text; write it in quotes",
        "11: webhooks: unknown key; known: access, defaults, kestra, repositories, syncs",
    ]


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("sourceOfTruth: KESTA", "7: syncs.s.sourceOfTruth: must be one of KESTRA, GIT;"
         " did you mean KESTRA?"),
        ("sourceOfTruth: hunter2", "7: syncs.s.sourceOfTruth: must be one of KESTRA, GIT"),
        ("source_of_truth: GIT", "7: syncs.s.source_of_truth: unknown key; did you mean"
         " sourceOfTruth?"),
        ("kinds: [FLOW, FLO]", "7: syncs.s.kinds[1]: must be one of FLOW, FILE, DASHBOARD;"
         " did you mean FLOW?"),
        ("kinds: FLOW", "7: syncs.s.kinds: is a list; write [a, b] or one `- a` a line"),
        ("sourceOfTruthOverrides: {FLOWS: GIT}", "7: syncs.s.sourceOfTruthOverrides.FLOWS: must be"
         " one of FLOW, FILE, DASHBOARD; did you mean FLOW?"),
        ("type: tenentSync", "7: syncs.s.type: must be one of tenantSync, namespaceSync;"
         " did you mean tenantSync?"),
        ("review: alwys", "7: syncs.s.review: must be one of never, always, or a mapping of by,"
         " notAsker; did you mean always?"),
        ("review: {bye: [x]}", "7: syncs.s.review.bye: unknown key; did you mean by?"),
        ("review: {by: anna}", "7: syncs.s.review.by: is a list; write [a, b] or one `- a` a line"),
        ("review: {by: [ana]}", "7: syncs.s.review.by[0]: there is no ana in access; did you mean"
         " anna?"),
        ("review: {by: [ben]}", "7: syncs.s.review.by[0]: ben may not approve; add approve to"
         " access.ben.roles"),
        ("dry_run: true", "7: syncs.s.dry_run: unknown key; did you mean dryRun?"),
        ("dryRun: perhaps", "7: syncs.s.dryRun: is neither true nor false; write one of them"),
        ("branch: -x", "7: syncs.s.branch: is no branch; no blanks, none of ~ ^ : ? * [ \\, and no"
         " - at the start"),
        ("branch: [main]", "7: syncs.s.branch: must be one text; write it on the line of its key"),
        ("gitDirectory: a/../b", "7: syncs.s.gitDirectory: gitDirectory is a plain folder below the"
         " root, without . or .."),
        ("deletionBudget: {free: -1}", "7: syncs.s.deletionBudget.free: is too small; write 0 or"
         " more"),
        ("deletionBudget: {percent: 101}", "7: syncs.s.deletionBudget.percent: is too large; write"
         " 100.0 or less"),
        ("deletionBudget: {free: some}", "7: syncs.s.deletionBudget.free: is no whole number; write"
         " one"),
        ("deletionBudget: 5", "7: syncs.s.deletionBudget: has keys of its own; write them below"
         " it"),
        ("commitMessage: ''", "7: syncs.s.commitMessage: is empty; give it a value or leave the key"
         " out"),
        ("gitDirectory:", "7: syncs.s.gitDirectory: is empty; give it a value or leave the key"
         " out"),
        ("plan: 7f3a", "7: syncs.s.plan: belongs to a single asking; leave it out of the"
         " configuration"),
        ("triggeredBy: {executionId: x}", "7: syncs.s.triggeredBy: belongs to a single asking;"
         " leave it out of the configuration"),
        ("webhook: true", "7: syncs.s.webhook: unknown key; known: "),
        ("schedule: 0 2 * *", "7: syncs.s.schedule: must have five fields (minute hour"
         " day-of-month month day-of-week); it has 4"),
        ("schedule: 61 2 * * *", "7: syncs.s.schedule: cannot be read; write minute hour"),
        ("schedule: 0 0 30 2 *", "7: syncs.s.schedule: names a day that never comes; mend day and"
         " month"),
        ("schedule: {cron: R R * * *}", "7: syncs.s.schedule.cron: has R or H"),
        ("schedule: {cron: 0 2 * * *, timezone: Mars/Olympus}", "7: syncs.s.schedule.timezone: is"
         " no time zone known here; write e.g. Europe/Berlin"),
        ("schedule: {timezone: UTC}", "7: syncs.s.schedule.cron: is missing; add it"),
        ("schedule: 5", "7: syncs.s.schedule: has keys of its own"),
        ("repository: flow", "7: syncs.s.repository: there is no flow; did you mean flows?"),
        ("namespaces: [Company]", "7: syncs.s.namespaces[0]: is no namespace; use lower-case"
         " letters, digits, and . _ - after the first"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_sync_is_told_with_its_remedy(
    tmp_path: Path, entry: str, told: str
) -> None:
    fields = {"sourceOfTruth": "GIT", "branch": "main"}
    rest = [
        f"    {key}: {value}" for key, value in fields.items() if not entry.startswith(key + ":")
    ]
    text = GOOD.lstrip() + "syncs:\n  s:\n    " + entry + "\n" + "\n".join(rest) + "\naccess:\n"
    text += "  anna: {os: anna, roles: [approve]}\n  ben: {os: ben, roles: [read, ask]}\n"
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(told)


@pytest.mark.parametrize(
    ("section", "entry", "told"),
    [
        ("kestra", "{url: http://a:hunter2@k}", "url: is no such address; write http://"),
        ("kestra", "{url: k}", "url: is no such address; write http://"),
        ("kestra", "{}", "url: is missing; add it"),
        ("kestra", "", ": is empty; give it a value or leave the key out"),
        ("kestra", "{url: http://k, tenant: Main}", "tenant: is no tenant; use lower-case"),
        ("kestra", "{url: http://k, username: a}", "username and password belong together"),
        ("kestra", "{url: http://k, username: a, password: {env: P}, token: {env: T}}",
         "give either username and password, or token, not both"),
        ("kestra", "{url: http://k, timeout: 0}", "timeout: is too small; write more than 0.0"),
        ("kestra", "{url: http://k, timeout: long}", "timeout: is no number; write one"),
        ("repositories", "{url: 'https://u:hunter2@h/r.git'}", "the URL may hold a password"),
        ("repositories", "{url: https://h/r.git, forge: gitlub}", "forge: must be one of github,"
         " gitlab, bitbucket, bitbucketServer, azure, gitea, forgejo, gogs; did you mean gitlab?"),
        ("kestra", "{url: http://k, caFile: c}", "caFile is for https, the url is http://; change"),
        ("kestra", "{url: https://k, clientKey: c}", "clientKey has no certificate; add"),
        ("kestra", "{url: https://k, clientKeyPassphrase: {env: X}}", "opens nothing; add client"),
        ("kestra", "{url: https://k, proxy: 'http://u:hunter2@p:1'}", "proxy: is no such address;"),
        ("kestra", "{url: https://k, proxy: p:3128}", "proxy: is no such address; write http://HOS"),
        ("kestra", "{url: https://k, proxy: http://p}", "proxy: is no such address; write http://"),
        ("kestra", "{url: https://k, proxy: 'http://p:1', proxyUsername: u}", "belong together"),
        ("kestra", "{url: https://k, proxyUsername: u, proxyPassword: {env: X}}", "add proxy"),
        ("kestra", "{url: https://k, proxyPassword: hunter2}", "a secret stands here in plain"),
        ("kestra", "{url: https://k, noProxy: k}", "noProxy: is a list; write [a, b]"),
        ("kestra", "{url: https://k, connectTimeout: 0}", "connectTimeout: is too small"),
        ("repositories", "{url: 'git@h:a/b', caFile: c}", "caFile is for https, the url is"),
        ("repositories", "{url: 'ssh://h/b', proxy: 'http://p:1'}", "proxy is for https or http,"),
        ("repositories", "{url: 'ssh://h/b', noProxy: [h]}", "noProxy is for https or http, the"),
        ("repositories", "{url: https://h/b, sshKey: k}", "sshKey is for ssh, the url is of"),
        ("repositories", "{url: 'h:a/b', token: {env: T}}", "token is for https or http, the"),
        ("repositories", "{url: https://h/b, sshJump: j}", "sshJump is for ssh, the url is of"),
        ("repositories", "{url: 'ssh://h/b', sshJump: 'j k'}", "sshJump: is no such address"),
        ("repositories", "{url: 'ssh://h/b', sshPassphrase: {env: X}}", "add sshKey"),
        ("repositories", "{url: https://h/b, sshKey: k, sshPassphrase: {env: X}}", "is for ssh"),
        ("repositories", "{url: https://h/b, token: {env: T}, githubApp: {appId: a,"
         " installationId: 1, privateKey: {file: k}}}", "give either githubApp, or token and"),
        ("repositories", "{url: https://h/b, githubApp: {appId: 1, installationId: 1,"
         " privateKey: {file: k}}}", "githubApp.appId: is no text; write it in quotes"),
        ("repositories", "{url: https://h/b, githubApp: {appId: a, installationId: 1,"
         " privateKey: hunter2}}", "githubApp.privateKey: a secret stands here in plain text"),
        ("repositories", "{url: https://h/b, githubApp: {appId: a, installationId: 1,"
         " privateKey: {file: k}, apiUrl: 'http://h'}}", "apiUrl: is no such address; write htt"),
        ("access", "{os: x}", "roles: is missing; add it"),
        ("access", "{os: x, roles: []}", "roles: is empty"),
        ("access", "{os: x, roles: [aprove]}", "roles[0]: must be one of read, ask, approve; did"
         " you mean approve?"),
        ("access", "{roles: [read]}", "nobody can act as this person; give os, tokenSha256 or"),
        ("access", "{tokenSha256: hunter2, roles: [read]}", "tokenSha256: is no digest; write the"),
        ("access", "{os: 7, roles: [read]}", "os: is no text; write it in quotes"),
    ],
)  # fmt: skip
def test_a_wrong_connection_or_person_is_told_with_its_remedy(
    tmp_path: Path, section: str, entry: str, told: str
) -> None:
    (found,) = mistakes(tmp_path, f"{section}:\n  name: {entry}\n")
    assert found.startswith(f"2: {section}.name")
    assert told in found
    assert "hunter2" not in found


@pytest.mark.parametrize(
    "secret",
    ["hunter2", "'hunter2'", "{hunter2}", "{value: hunter2}", "{env: [hunter2]}", "[hunter2]",
     "{env: X, file: hunter2}", "|\n      hunter2", "{plain: {deep: hunter2}}", "&hunter2 hunter2",
     "!hunter2 x", "*hunter2", "{env: '', file: hunter2}", "{hunter2: {env: X}}"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["kestra", "repositories"])
def test_a_secret_in_plain_text_is_refused_and_never_repeated(
    tmp_path: Path, place: str, secret: str
) -> None:
    found = mistakes(tmp_path, f"{place}:\n  name:\n    url: https://h/r\n    token: {secret}\n")
    assert found[0].startswith(("4: ", "5: "))
    assert "hunter2" not in "".join(found)


def test_every_field_can_hold_a_secret_by_accident_and_none_is_repeated(tmp_path: Path) -> None:
    """Only names are repeated: those of keys, and those that point at other entries."""
    for section, model in (("kestra", "url tenant username timeout connections"),
                           ("repositories", "forge timeout"),
                           ("access", "tokenSha256 roles"),
                           ("defaults", "sourceOfTruth branch dryRun kinds deletionBudget review"),
                           ("syncs", "type schedule namespace branch firstContact")):  # fmt: skip
        for field in model.split():
            value = f"{{{field}: '-hunter2 -'}}"
            text = f"{section}: {value if section == 'defaults' else f'{{name: {value}}}'}\n"
            assert "hunter2" not in "".join(mistakes(tmp_path, text)), (section, field)


def test_two_people_with_one_login_or_token_are_told(tmp_path: Path) -> None:
    digest = "ab" * 32
    assert mistakes(
        tmp_path,
        f"""
access:
  anna: {{os: anna, tokenSha256: {digest}, roles: [read]}}
  ben: {{os: anna, roles: [read]}}
  carl: {{tokenSha256: {digest}, roles: [read]}}
""",
    ) == [
        "3: access.ben.os: is the same as access.anna.os; give each their own",
        "4: access.carl.tokenSha256: is the same as access.anna.tokenSha256; give each their own",
    ]


def test_a_sync_must_name_its_connections_where_there_are_several_or_none(tmp_path: Path) -> None:
    assert mistakes(
        tmp_path,
        """
kestra:
  a: {url: http://a}
  b: {url: http://b}
syncs:
  s: {sourceOfTruth: GIT, branch: main}
""",
    ) == [
        "5: syncs.s.kestra: is missing; known: a, b",
        "5: syncs.s.repository: is missing; none is configured",
    ]


def test_a_mistake_in_the_defaults_is_told_once_and_there(tmp_path: Path) -> None:
    text = GOOD.lstrip() + (
        "defaults: {branch: main, onConflct: SKIP, dryRun: perhaps, kestra: prod}\n"
        "syncs:\n  a: {sourceOfTruth: GIT}\n  b: {sourceOfTruth: GIT}\n"
    )
    assert mistakes(tmp_path, text) == [
        "5: defaults.dryRun: is neither true nor false; write one of them",
        "5: defaults.kestra: there is no prod; did you mean production?",
        "5: defaults.onConflct: unknown key; did you mean onConflict?",
    ]


def test_wrong_defaults_are_told_without_any_sync(tmp_path: Path) -> None:
    assert mistakes(tmp_path, "defaults: {branch: 5}\n") == [
        "1: defaults.branch: is no text; write it in quotes"
    ]


def test_a_field_of_a_sync_overrules_the_default_and_null_takes_it_back(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        GOOD
        + """
defaults: {branch: main, baseBranch: develop, dryRun: true}
syncs:
  a: {sourceOfTruth: GIT, dryRun: false, baseBranch: null}
  b: {sourceOfTruth: GIT}
""",
    )
    assert (config.sync("a").dry_run, config.sync("a").base_branch) == (False, None)
    assert (config.sync("b").dry_run, config.sync("b").base_branch) == (True, "develop")


def test_names_of_entries_have_a_form(tmp_path: Path) -> None:
    found = mistakes(tmp_path, 'kestra:\n  "a b": {url: http://k}\n  "\\e[1m": {url: http://k}\n')
    assert found == [
        "2: kestra.a b: is no name; use letters, digits, and . _ - after the first",
        r"3: kestra.\x1b[1m: is no name; use letters, digits, and . _ - after the first",
    ]
