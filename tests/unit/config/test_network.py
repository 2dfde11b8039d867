"""Which proxy leads to an address: the decision alone, without any program."""

from __future__ import annotations

import pytest

from tasks.connections import KestraConnection
from tasks.network import excepted, proxy_of

URL = "https://kestra.acme.org"


@pytest.mark.parametrize(
    ("exception", "host", "port", "meant"),
    [
        ("*", "a.b", 443, True),
        ("acme.org", "acme.org", 443, True),
        ("acme.org", "git.acme.org", 443, True),
        (".acme.org", "git.acme.org", 443, True),
        ("*.acme.org", "git.acme.org", 443, True),
        ("ACME.org", "git.acme.org", 443, True),
        ("acme.org", "evilacme.org", 443, False),
        ("git.acme.org", "acme.org", 443, False),
        ("acme.org:8443", "acme.org", 8443, True),
        ("acme.org:8443", "acme.org", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.7/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.0.0.0/8", "ten.acme.org", 443, False),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.1.2.3:80", "10.1.2.3", 443, False),
        ("fd00::/8", "fd00::7", 443, True),
        ("[fd00::7]", "fd00::7", 443, True),
        ("[fd00::7]:443", "fd00::7", 443, True),
        ("fd00::/8", "fe00::7", 443, False),
        ("", "acme.org", 443, False),
        (".", "acme.org", 443, False),
    ],
)
def test_an_exception_means_a_host(exception: str, host: str, port: int, meant: bool) -> None:
    assert excepted(host, port, [exception]) is meant


@pytest.mark.parametrize(
    ("url", "fields", "environ", "proxy"),
    [
        (URL, {}, {}, None),
        (URL, {"proxy": "http://p:1"}, {}, "http://p:1"),
        (URL, {"proxy": "http://p:1/"}, {"HTTPS_PROXY": "http://q:2"}, "http://p:1"),
        (URL, {"proxy": "http://[fd00::7]:1"}, {}, "http://[fd00::7]:1"),
        (URL, {}, {"HTTPS_PROXY": "http://q:2"}, "http://q:2"),
        (URL, {}, {"https_proxy": "q:2", "HTTPS_PROXY": "http://r:2"}, "http://q:2"),
        (URL, {}, {"ALL_PROXY": "https://q"}, "https://q:443"),
        (URL, {}, {"HTTP_PROXY": "http://q:2"}, None),
        (URL, {}, {"HTTPS_PROXY": "http://q:2", "NO_PROXY": "a.b, acme.org"}, None),
        (URL, {"noProxy": ["*"]}, {"HTTPS_PROXY": "http://q:2"}, None),
        (URL, {"proxy": "http://p:1"}, {"NO_PROXY": "acme.org"}, None),
        ("http://kestra", {}, {"HTTP_PROXY": "http://q:2", "ALL_PROXY": "http://q:2"}, None),
        ("http://kestra", {"proxy": "http://p:1"}, {}, "http://p:1"),
    ],
)
def test_the_connection_goes_first_and_a_variable_is_for_https(
    url: str, fields: dict[str, object], environ: dict[str, str], proxy: str | None
) -> None:
    connection = KestraConnection.model_validate({"url": url, **fields})
    found = proxy_of(connection, url, environ)
    assert (found and found.url) == proxy


def test_the_login_of_a_variable_is_decoded_and_not_shown() -> None:
    environ = {"HTTPS_PROXY": "http://us%40er:p%41ss@q:2"}
    found = proxy_of(KestraConnection(url=URL), URL, environ)
    assert found is not None
    assert (found.username, found.password) == ("us@er", "pAss")
    assert "pAss" not in repr(found) + str(found) + found.url
