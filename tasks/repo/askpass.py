"""The program that answers git and ssh when they ask for a secret: exactly the questions that it
was told, and nobody else's."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

#: Questions and answers are in the environment of the one command that needs them. A server that
#: redirects to another host, or a proxy that nobody named, would be given the secret by a program
#: that always answers.
_PROGRAM = """\
#!/bin/sh
number=0
while [ "$number" -lt "$TENANTSYNC_QUESTIONS" ]; do
    eval "question=\\$TENANTSYNC_QUESTION_$number answer=\\$TENANTSYNC_ANSWER_$number"
    if [ "$1" = "$question" ]; then
        printf '%s\\n' "$answer"
        exit 0
    fi
    number=$((number + 1))
done
exit 1
"""


def answering(answers: Mapping[str, str], home: Path) -> dict[str, str]:
    """The variables by which git and ssh get these answers (question → answer), none without any.

    `home` is a private directory, where the program is kept; it holds no secret.
    """
    if not answers:
        return {}
    program = str(_program(home))
    variables = {
        "GIT_ASKPASS": program,
        "SSH_ASKPASS": program,
        "TENANTSYNC_QUESTIONS": str(len(answers)),
    }
    for number, (question, answer) in enumerate(answers.items()):
        variables[f"TENANTSYNC_QUESTION_{number}"] = question
        variables[f"TENANTSYNC_ANSWER_{number}"] = answer
    return variables


def _program(home: Path) -> Path:
    """The program on disk. Written aside and renamed, so it is always whole; its name changes with
    its text, so that workers of two versions can share a directory."""
    path = home / f"askpass-{hashlib.sha256(_PROGRAM.encode()).hexdigest()[:12]}"
    if not path.exists():
        handle, name = tempfile.mkstemp(dir=home, prefix="new-askpass-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_PROGRAM)
        Path(name).chmod(0o700)
        Path(name).rename(path)
    return path
