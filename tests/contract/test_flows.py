"""What every server must do with flows: revisions, bytes, conflicts, import, export, validation."""

from __future__ import annotations

import pytest

from tests.contract.kestra import YAML, Kestra, archive, flow

TEXTS = {
    "comment": "# top\nid: {id}\nnamespace: {ns}\n# --- section --- é ü 漢 🚀\ntasks:\n  - id: t\n"
    "    type: io.kestra.plugin.core.log.Log\n    message: hi\n# end",
    "crlf": "id: {id}\r\nnamespace: {ns}\r\ntasks:\r\n  - id: t\r\n"
    "    type: io.kestra.plugin.core.log.Log\r\n    message: hi\r\n",
    "open-end": "id: {id}\nnamespace: {ns}\ntasks:\n  - id: t\n"
    "    type: io.kestra.plugin.core.log.Log\n    message: hi",
    "document-start": "---\nid: {id}\nnamespace: {ns}\ntasks:\n  - id: t\n"
    "    type: io.kestra.plugin.core.log.Log\n    message: hi\n\n\n",
    "revision-line": "revision: 7\nid: {id}\nnamespace: {ns}\ntasks:\n  - id: t\n"
    "    type: io.kestra.plugin.core.log.Log\n    message: hi\n",
}


def test_a_new_flow_has_revision_1_and_equal_text_never_makes_another(kestra: Kestra) -> None:
    text = flow(kestra.namespace, "f")
    created = kestra.create(text)
    assert (created.status_code, created.json()["revision"]) == (200, 1)
    assert kestra.update(kestra.namespace, "f", text).json()["revision"] == 1
    assert kestra.import_archive({"f.yml": text}).json() == []
    assert kestra.revision(kestra.namespace, "f") == 1


def test_one_changed_byte_makes_a_revision(kestra: Kestra) -> None:
    text = flow(kestra.namespace, "f")
    kestra.create(text)
    assert kestra.update(kestra.namespace, "f", text + "\n").json()["revision"] == 2
    assert kestra.import_archive({"f.yml": text}).json() == []
    assert kestra.revision(kestra.namespace, "f") == 3


@pytest.mark.parametrize("name", TEXTS)
def test_texts_survive_every_way_in_and_out_byte_for_byte(kestra: Kestra, name: str) -> None:
    namespace = kestra.namespace
    for way, flow_id in (("post", "by-post"), ("put", "by-put"), ("import", "by-import")):
        text = TEXTS[name].format(id=flow_id, ns=namespace)
        if way == "import":
            assert kestra.import_archive({"x.yml": text}).json() == []
        else:
            kestra.create(flow(namespace, flow_id, "first") if way == "put" else text)
        if way == "put":
            assert kestra.update(namespace, flow_id, text).status_code == 200
        assert kestra.source(namespace, flow_id) == text.encode()
        exported = kestra.export(**{"filters[namespace][EQUALS]": namespace})
        assert text.encode() in exported.values()


def test_a_second_create_is_422_with_its_reason(kestra: Kestra) -> None:
    kestra.create(flow(kestra.namespace, "f"))
    again = kestra.create(flow(kestra.namespace, "f", "other"))
    assert again.status_code == 422
    assert again.json()["message"] == "Invalid entity: flow.id: Flow id already exists"
    assert again.json()["_embedded"]["errors"][0]["path"] == "flow.id"


def test_an_update_of_an_absent_flow_is_404(sandbox_only: Kestra) -> None:
    # A live server can fall into an endless loop over it and die.
    namespace = sandbox_only.namespace
    assert sandbox_only.update(namespace, "f", flow(namespace, "f")).status_code == 404


def test_an_update_cannot_change_id_or_namespace(kestra: Kestra) -> None:
    kestra.create(flow(kestra.namespace, "f"))
    other_id = kestra.update(kestra.namespace, "f", flow(kestra.namespace, "g"))
    other_namespace = kestra.update(kestra.namespace, "f", flow(kestra.namespace + ".x", "f"))
    assert (other_id.status_code, other_namespace.status_code) == (422, 422)
    assert "flow.id" in other_id.json()["message"]
    assert "flow.namespace" in other_namespace.json()["message"]


def test_a_deletion_is_a_revision_and_a_new_flow_goes_on_counting(kestra: Kestra) -> None:
    namespace, text = kestra.namespace, flow(kestra.namespace, "f")
    kestra.create(text)
    assert kestra.client.delete(f"/flows/{namespace}/f").status_code == 204
    assert kestra.client.delete(f"/flows/{namespace}/f").status_code == 404
    assert kestra.get(namespace, "f").status_code == 404
    gone = kestra.get(namespace, "f", allowDeleted="true").json()
    assert (gone["deleted"], gone["revision"], gone["source"]) == (True, 2, text)
    assert kestra.create(text).json()["revision"] == 3


def test_deleting_many_stops_at_the_first_absent_one(kestra: Kestra) -> None:
    namespace = kestra.namespace
    for name in ("a", "b", "c"):
        kestra.create(flow(namespace, name))

    def delete(*names: str) -> tuple[int, str]:
        ids = [{"namespace": namespace, "id": name} for name in names]
        answer = kestra.client.request("DELETE", "/flows/delete/by-ids", json=ids)
        return answer.status_code, answer.text

    assert delete("a", "zz", "b")[0] == 404
    assert kestra.get(namespace, "a").status_code == 404
    assert delete("b", "c") == (200, '{"count":2}')


def test_a_validation_judges_each_document_and_is_always_200(kestra: Kestra) -> None:
    namespace = kestra.namespace
    unknown_field = flow(namespace, "u").replace("tasks:", "bogus: 1\ntasks:")
    bad_type = flow(namespace, "b").replace("log.Log", "log.Nope")
    verdicts = kestra.validate("\n---\n".join((flow(namespace, "f"), bad_type, unknown_field)))
    assert [one["index"] for one in verdicts] == [0, 1, 2]
    assert verdicts[0].get("constraints") is None
    assert "Invalid type: io.kestra.plugin.core.log.Nope" in verdicts[1]["constraints"]
    assert 'Unrecognized field "bogus"' in verdicts[2]["constraints"]
    assert kestra.validate("id: [")[0]["constraints"]


def test_a_validation_takes_parts_by_file_name(kestra: Kestra) -> None:
    texts = [flow(kestra.namespace, "a"), "---\n" + flow(kestra.namespace, "b"), "nonsense"]
    parts = [("flows", (f"{number}.yml", text)) for number, text in enumerate(texts)]
    verdicts = kestra.client.post("/flows/validate", files=parts).json()
    assert [one["filename"] for one in verdicts] == ["0.yml", "1.yml", "2.yml"]
    assert [bool(one.get("constraints")) for one in verdicts] == [False, False, True]


def test_a_validation_takes_128_parts_and_no_more(kestra: Kestra) -> None:
    parts = [("flows", (f"{n}.yml", flow(kestra.namespace, f"f{n}"))) for n in range(129)]
    assert len(kestra.client.post("/flows/validate", files=parts[:128]).json()) == 128
    assert kestra.client.post("/flows/validate", files=parts).status_code == 500


def test_an_import_stores_the_good_ones_and_names_the_bad(kestra: Kestra) -> None:
    namespace = kestra.namespace
    bad = flow(namespace, "bad").replace("log.Log", "log.Nope")
    entries = {"good.yml": flow(namespace, "good"), "bad.yml": bad, "notes.txt": "x"}
    answer = kestra.import_archive(entries)
    assert (answer.status_code, answer.json()) == (200, ["bad.yml"])
    assert kestra.get(namespace, "good").status_code == 200


def test_an_import_that_must_not_fail_is_422_and_still_stores_the_good_ones(
    kestra: Kestra,
) -> None:
    namespace = kestra.namespace
    bad = flow(namespace, "bad").replace("log.Log", "log.Nope")
    answer = kestra.import_archive(
        {"bad.yml": bad, "good.yml": flow(namespace, "good")}, failOnError="true"
    )
    assert answer.status_code == 422
    assert answer.json()["message"].endswith("flows were not imported: bad.yml")
    assert kestra.get(namespace, "good").status_code == 200


def test_a_new_flow_in_an_archive_escapes_the_model_and_its_next_text_does_not(
    kestra: Kestra,
) -> None:
    empty = f"id: empty\nnamespace: {kestra.namespace}\n"
    assert kestra.import_archive({"a.yml": empty}).json() == []
    assert kestra.get(kestra.namespace, "empty").json()["tasks"] == []
    assert kestra.import_archive({"a.yml": empty + "# x\n"}).json() == ["a.yml"]
    assert kestra.create(empty.replace("id: empty", "id: other")).status_code == 422


def test_an_import_of_no_archive_is_an_empty_success(kestra: Kestra) -> None:
    for content in (b"hello", archive({})):
        answer = kestra.import_file("flows.zip", content)
        assert (answer.status_code, answer.json()) == (200, [])


def test_a_cut_archive_is_400_and_its_first_entries_stay(kestra: Kestra) -> None:
    namespace = kestra.namespace
    whole = archive({f"{name}.yml": flow(namespace, name) for name in ("a", "b")})
    second = whole.index(b"PK\x03\x04", 4)
    answer = kestra.import_file("flows.zip", whole[: second + 60])
    assert (answer.status_code, answer.content) == (400, b"")
    assert kestra.get(namespace, "a").status_code == 200
    assert kestra.get(namespace, "b").status_code == 404


def test_entry_suffixes_are_case_sensitive(kestra: Kestra) -> None:
    namespace = kestra.namespace
    answer = kestra.import_archive(
        {
            "A.YML": flow(namespace, "a"),
            "b.Yaml": flow(namespace, "b"),
            "c.yaml": flow(namespace, "c"),
        }
    )
    assert answer.json() == []
    assert [kestra.get(namespace, name).status_code for name in "abc"] == [404, 404, 200]


def test_a_text_import_that_starts_with_a_document_mark_is_called_failed_yet_stored(
    kestra: Kestra,
) -> None:
    text = "---\n" + flow(kestra.namespace, "f")
    answer = kestra.import_file("f.yml", text.encode())
    assert answer.json() == ["f.yml(flow number: 0)"]
    assert kestra.get(kestra.namespace, "f").status_code == 200


def test_exports_know_a_namespace_its_children_and_its_neighbours(kestra: Kestra) -> None:
    namespace = kestra.namespace
    for name in (namespace, f"{namespace}.child", f"{namespace}2"):
        kestra.create(flow(name, "f"))

    def exported(operator: str) -> int:
        return len(kestra.export(**{f"filters[namespace][{operator}]": namespace}))

    assert exported("EQUALS") == 1
    assert exported("PREFIX") == 2
    assert exported("STARTS_WITH") == 3
    assert len(kestra.export(namespace=namespace)) == 2


def test_an_export_of_nothing_is_a_readable_archive(kestra: Kestra) -> None:
    assert kestra.export(**{"filters[namespace][EQUALS]": kestra.namespace}) == {}


def test_entry_names_can_collide_and_fail_the_export(kestra: Kestra) -> None:
    namespace = kestra.namespace
    kestra.create(flow(f"{namespace}-a", "x"))
    kestra.create(flow(namespace, "a-x"))
    failed = kestra.client.get(
        "/flows/export/by-query", params={"filters[namespace][STARTS_WITH]": namespace}
    )
    assert failed.status_code == 500
    assert len(kestra.export(**{"filters[namespace][EQUALS]": namespace})) == 1


def test_an_export_by_ids_is_404_where_one_is_absent(kestra: Kestra) -> None:
    namespace = kestra.namespace
    kestra.create(flow(namespace, "f"))
    ids = [{"namespace": namespace, "id": name} for name in ("f", "zz")]
    assert kestra.client.post("/flows/export/by-ids", json=ids).status_code == 404
    assert kestra.client.post("/flows/export/by-ids", json=ids[:1]).status_code == 200


@pytest.mark.parametrize("name", ["pause", "kill", "search", "source", "executions"])
def test_reserved_ids_are_refused(kestra: Kestra, name: str) -> None:
    refused = kestra.create(flow(kestra.namespace, name))
    assert refused.status_code == 422
    assert "reserved keyword" in refused.json()["message"]


def test_disabling_and_enabling_rewrites_the_text(kestra: Kestra) -> None:
    namespace, text = kestra.namespace, flow(kestra.namespace, "f")
    kestra.create(text)
    ids = [{"namespace": namespace, "id": "f"}]
    assert kestra.client.post("/flows/disable/by-ids", json=ids).json() == {"count": 1}
    assert kestra.source(namespace, "f").decode() == text + "\ndisabled: true"
    assert kestra.client.post("/flows/disable/by-ids", json=ids).json() == {"count": 0}
    kestra.client.post("/flows/enable/by-ids", json=ids)
    assert kestra.source(namespace, "f").decode() == text + "\ndisabled: false\n"


def test_a_key_given_twice_passes_a_validation_and_fails_every_write(kestra: Kestra) -> None:
    twice = flow(kestra.namespace, "f") + "description: a\ndescription: b\n"
    assert kestra.validate(twice)[0].get("constraints") is None
    assert "Duplicate field" in kestra.create(twice).json()["message"]
    assert kestra.import_archive({"f.yml": twice}).json() == ["f.yml"]


@pytest.mark.parametrize(
    ("written", "value"), [("yes", "true"), ("1.10", "1.1"), ("007", "7"), ("0x10", "16")]
)
def test_an_unquoted_id_is_stored_as_written_and_can_never_be_updated(
    kestra: Kestra, written: str, value: str
) -> None:
    namespace, text = kestra.namespace, flow(kestra.namespace, written)
    assert kestra.create(text).json()["id"] == value
    assert kestra.get(namespace, written).json()["id"] == written
    assert kestra.get(namespace, value).status_code == 404
    assert kestra.update(namespace, written, text + "# x\n").status_code == 422
    assert kestra.import_archive({"f.yml": text + "# x\n"}).json() == ["f.yml"]


def test_only_yaml_is_taken_for_a_flow(kestra: Kestra) -> None:
    text = flow(kestra.namespace, "f").encode()
    for content_type in ("text/plain", "application/yaml", "application/octet-stream"):
        answer = kestra.client.post("/flows", content=text, headers={"content-type": content_type})
        assert answer.status_code == 422
    assert kestra.client.post("/flows", content=text, headers=YAML).status_code == 200
