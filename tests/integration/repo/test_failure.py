from __future__ import annotations

import time

import pytest

from tasks.errors import (
    Busy,
    ConfigError,
    Doubtful,
    LoginRefused,
    MirrorCorrupt,
    NotFound,
    TenantSyncError,
    Unreachable,
    Unsafe,
    Unsupported,
)
from tasks.repo.command import KEPT
from tasks.repo.failure import QUOTED, NoSpace, failure, readable

PLACE = "https://git.example.org/a/b"


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("fatal: Authentication failed for 'https://x/'", LoginRefused),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", LoginRefused),
        ("git@x: Permission denied (publickey).\nfatal: Could not read from remote repository.",
         LoginRefused),
        ("remote: HTTP Basic: Access denied.\nfatal: Authentication failed", LoginRefused),
        ("remote: Permission to a/b.git denied to bob.\nfatal: unable to access "
         "'https://x/': The requested URL returned error: 403", LoginRefused),
        ("ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could "
         "not read from remote repository.", LoginRefused),
        ("remote: Repository not found.\nfatal: repository 'https://x/' not found", NotFound),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", NotFound),
        ("remote: The project you were looking for could not be found.", NotFound),
        ("fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote "
         "repository.", NotFound),
        ("fatal: couldn't find remote ref refs/heads/x", NotFound),
        ("fatal: remote error: upload-pack: not our ref 123", NotFound),
        ("error: Server does not allow request for unadvertised object 1", NotFound),
        ("fatal: https://x/info/refs not valid: is this a git repository?", NotFound),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 302", Unsafe),
        ("fatal: transport 'ext' not allowed", Unsafe),
        ("fatal: strange hostname '-x' blocked", Unsafe),
        ("error: object " + "a" * 40 + ": hasDotdot: contains '..'\nfatal: fsck error in packed "
         "object\nfatal: fetch-pack: invalid index-pack output", Unsafe),
        ("fatal: unable to access 'https://x/': server certificate verification failed. CAfile: "
         "none", ConfigError),
        ("fatal: unable to access: SSL certificate problem: self-signed certificate", ConfigError),
        ("fatal: unable to find remote helper for 'https'", ConfigError),
        ("Host key verification failed.\nfatal: Could not read from remote repository.",
         ConfigError),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 429", Busy),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 503", Busy),
        ("error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", Busy),
        ("fatal: write error: No space left on device", NoSpace),
        ("fatal: Unable to create '/m/packed-refs.lock': File exists.", Busy),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", Unreachable),
        ("ssh: Could not resolve hostname x: Name or service not known", Unreachable),
        ("fatal: unable to access 'https://x/': Failed to connect to x port 443", Unreachable),
        ("ssh: connect to host x port 22: Connection refused", Unreachable),
        ("fatal: unable to access: Operation too slow. Less than 1 bytes/sec", Unreachable),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer\nfatal: early EOF\n"
         "fatal: fetch-pack: invalid index-pack output", Unreachable),
        ("fatal: the remote end hung up unexpectedly", Unreachable),
        ("kex_exchange_identification: read: Connection reset by peer", Unreachable),
        ("remote: fatal: packfile x.pack cannot be accessed\nfatal: protocol error: bad pack "
         "header", Unreachable),
        ("error: packfile ./x.pack does not match index", MirrorCorrupt),
        ("error: inflate: data stream error (incorrect data check)", MirrorCorrupt),
        ("fatal: loose object 1 (stored in x) is corrupt", MirrorCorrupt),
        ("error: object file x is empty", MirrorCorrupt),
        ("fatal: bad object refs/tenantsync/x/y\nerror: https://x/ did not send all necessary "
         "objects", MirrorCorrupt),
        ("fatal: not a tree object", MirrorCorrupt),
        ("fatal: not a git repository: '/m'", MirrorCorrupt),
        ("fatal: mismatched algorithms: client sha1; server sha256", Unsupported),
        ("fatal: something new", Doubtful),
        ("", Doubtful),
    ],
)  # fmt: skip
def test_what_git_says_becomes_the_error_that_fits(said: str, error: type[TenantSyncError]) -> None:
    found = failure("fetch", 128, said, PLACE)
    assert type(found) is error
    assert PLACE in found.message and "git fetch" in found.message


def test_new_words_of_a_command_that_asks_the_mirror_alone_mean_damage() -> None:
    said = "fatal: failed to read object 1: Bad file descriptor"
    assert type(failure("ls-tree", 128, said, PLACE)) is MirrorCorrupt
    assert type(failure("push", 128, said, PLACE)) is Doubtful


def test_a_command_that_was_killed_may_be_tried_again() -> None:
    found = failure("fast-import", -9, "", PLACE)
    assert type(found) is Busy and "signal 9" in found.message


def test_a_host_key_error_names_host_port_and_remedy() -> None:
    place = "ssh://git.example.org:2222/a/b"
    unknown = failure("fetch", 128, "Host key verification failed.\r\n", place).message
    assert "ssh-keyscan -p 2222 git.example.org" in unknown and "known_hosts" in unknown
    said = (
        "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\n"
        "The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc+/1.\n"
        "Host key verification failed."
    )
    changed = failure("fetch", 128, said, place).message
    assert "not the pinned one (it sent SHA256:abc+/1)" in changed


def test_a_long_or_hostile_text_is_shortened_and_made_visible() -> None:
    said = "fatal: \x1b[31mred\x1b[0m \x1b]0;title\x07\u202eevil " + "x" * 5000
    message = failure("fetch", 128, said, PLACE).message
    assert "\x1b" not in message and "\u202e" not in message and "title" not in message
    assert len(message) < QUOTED + 200


@pytest.mark.parametrize(
    "said",
    [
        "x",
        "x://",
        "://x",
        "Permission to ",
        "transport '",
        "repository ",
        "\x1b]",
        "error: object ",
    ],
)
def test_no_text_of_a_server_takes_long_to_understand(said: str) -> None:
    started = time.monotonic()
    failure("fetch", 128, (said * KEPT)[:KEPT], PLACE)
    assert time.monotonic() - started < 1


def test_user_names_and_passwords_in_quoted_addresses_are_cut() -> None:
    assert readable("at https://user:pass@host/x") == "at https://host/x"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b://user:pa55@host/x", "//host/x"),
        ("remote: \u00ad\u061c\U000e0001x", "remote: \\xad\\u061c\\U000e0001x"),
    ],
)
def test_what_a_server_hides_in_its_words_is_shown_or_left_out(said: str, shown: str) -> None:
    assert failure("fetch", 1, said, "https://h/x").message.endswith(shown)
