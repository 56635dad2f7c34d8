"""YAML files: merged, bounded, and every fault with its file and line."""

import pytest

from hub.core.refusal import InvalidSpec
from hub.resources.files import load, parse_all


def write(folder, name, text):
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_files_of_a_folder_are_merged(tmp_path):
    write(tmp_path, "a.yaml", "teams: {one: {}}\n")
    write(tmp_path, "b.yml", "teams: {two: {title: Two}}\nusers:\n")
    write(tmp_path, "notes.txt", "not: read")
    loaded = load([tmp_path])
    assert loaded.resources == {"teams": {"one": {}, "two": {"title": "Two"}}}
    assert loaded.files["teams", "two"].endswith("b.yml")


def test_a_fault_names_file_line_and_field(tmp_path):
    file = write(tmp_path, "a.yaml", "teams:\n  one:\n    title: One\n    modls: [a]\n")
    with pytest.raises(InvalidSpec) as caught:
        parse_all(load([file]))
    (fault,) = caught.value.faults
    assert fault.source == f"{file}:4"
    assert fault.path == "teams.one.modls"
    assert "did you mean 'models'" in fault.message


def test_a_name_given_twice_is_refused(tmp_path):
    write(tmp_path, "a.yaml", "teams: {one: {}}\n")
    write(tmp_path, "b.yaml", "\nteams: {one: {}}\n")
    with pytest.raises(InvalidSpec, match=r"b\.yaml:2: teams\.one: already given in .*a\.yaml"):
        load([tmp_path])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("teams: {one: {}, one: {}}", "twice"),
        ("tems: {}", "there is no kind 'tems'"),
        ("- a", "kinds at its top level"),
        ("teams: [a]", "a mapping from names"),
        ("teams: {a: [b", "not YAML"),
        ("teams: {? [a] : b}", "plain word"),
        ("teams: {a: !!python/object:os.system x}", "cannot be read"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
         "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]",
         "too large"),
        ("teams: {a: " + "[" * 100 + "]" * 100 + "}", "too large"),
        ("\x00", "not YAML"),
    ],
)  # fmt: skip
def test_hostile_and_wrong_files_are_refused(tmp_path, text, words):
    with pytest.raises(InvalidSpec, match=words):
        load([write(tmp_path, "a.yaml", text)])


def test_deep_nesting_is_not_a_crash(tmp_path):
    with pytest.raises(InvalidSpec):
        load([write(tmp_path, "a.yaml", "teams: " + "{a: " * 20_000)])


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(InvalidSpec, match=r"no\.yaml.*cannot be read"):
        load([tmp_path / "no.yaml"])
    with pytest.raises(InvalidSpec, match="no \\*.yaml file"):
        load([tmp_path])


def test_a_relative_program_is_found_beside_the_file(tmp_path):
    file = write(tmp_path, "a.yaml", "servers: {t: {command: [./bin/t, ./x], cwd: data}, u: {command: [python]}}")
    servers = load([file]).resources["servers"]
    assert servers["t"] == {"command": [str(tmp_path / "bin/t"), "./x"], "cwd": str(tmp_path / "data")}
    assert servers["u"] == {"command": ["python"]}
