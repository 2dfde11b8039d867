from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from tasks.hiding import MASK, forms, hidden, without_rest

SECRETS = ["tok-s3cr3t/with+signs", 'qu"ote\\d é%41', "a b&c<d>'e'", "x" * 200, "ümläut-€-secret"]


def _said(secret: str) -> list[str]:
    pair = f"sync:{secret}".encode()
    return [
        secret,
        secret.upper(),
        quote(secret, safe=""),
        quote(secret, safe="").lower(),
        quote_plus(secret),
        json.dumps({"password": secret}),
        json.dumps({"password": secret}, ensure_ascii=False),
        base64.b64encode(pair).decode(),
        base64.urlsafe_b64encode(pair).decode().rstrip("="),
        base64.b64encode(secret.encode()).decode(),
        secret.encode().hex(),
        secret.encode().hex().upper(),
    ]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_hidden_in_every_form(secret: str) -> None:
    for said in _said(secret):
        shown = hidden(f"wrong: {said}!", forms(secret, "sync"))
        assert MASK in shown
        assert said not in shown
        assert secret not in shown
        assert shown.startswith("wrong: ") and shown.endswith("!")


def test_a_short_secret_is_hidden_where_it_stands_alone_and_leaves_words_whole() -> None:
    text = "git: the table of token 'tab' in ?p=tab&q, tab: a stable attribute"
    shown = "git: the table of token '***' in ?p=***&q, ***: a stable attribute"
    assert hidden(text, forms("tab")) == shown


def test_the_login_header_of_a_short_secret_is_hidden() -> None:
    pair = base64.b64encode(b"sync:tab").decode()
    assert hidden(f"Authorization: Basic {pair}", forms("tab", "sync")) == (
        f"Authorization: Basic {MASK}"
    )


def test_of_two_secrets_the_longer_one_goes_first() -> None:
    both = (*forms("password1"), *forms("password1-of-the-proxy"))
    assert hidden("password1-of-the-proxy", both) == MASK


def test_an_empty_secret_hides_nothing() -> None:
    assert forms("") == ()
    assert hidden("as it is", ()) == hidden("as it is", ("",)) == "as it is"


@pytest.mark.parametrize("secret", SECRETS)
def test_of_a_cut_text_the_rest_of_a_secret_is_taken_away(secret: str) -> None:
    whole = f"{secret}! more words".encode()
    for start in range(1, len(secret.encode())):
        cut = whole[start:].decode("utf-8", "replace")
        assert without_rest(cut, forms(secret)) == "! more words"
    assert without_rest("more words", forms(secret)) == "more words"
