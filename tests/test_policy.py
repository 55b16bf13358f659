"""Rules that no linter checks: order, size, and documents that keep up with the code."""

import ast
import json
import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from typer.main import get_command

from adapters.few_shot import ADAPTERS
from adapters.fusion import FUSIONS
from app.cli import app
from app.problems import ANSWERS
from app.settings import Settings
from index import BACKENDS
from retrieval import errors
from retrieval.encoders.registry import SOUND_FAMILIES, TEXT_FAMILIES
from retrieval.encoders.runtime import RUNTIMES

ROOT = Path(__file__).parent.parent
PACKAGES = ("adapters", "app", "eval", "index", "retrieval")
SOURCES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOCUMENTS = [
    ROOT / name
    for name in (
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    )
] + sorted((ROOT / "docs").glob("*.md"))

HEAVY = ("av", "cv2", "faiss", "fastapi", "gradio", "onnxruntime", "openvino", "torch", "uvicorn")
MAX_LINES = 600


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _all_documents() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_public_names_are_sorted(path: Path) -> None:
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            names = ast.literal_eval(node.value)
            # as ruff sorts: constants, then classes, then the rest
            order = sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
            assert list(names) == order
            assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=_relative)
def test_files_stay_readable(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_core_does_not_print_or_read_the_environment(path: Path) -> None:
    relative, tree = _relative(path), _tree(path)
    written = {  # `os.environ[name] = value`, which some packages can only be told by
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print" or relative.startswith("app/"), node.lineno
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
            assert relative == "app/settings.py" or id(node) in written, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=_relative)
def test_nothing_unpickles(path: Path) -> None:
    for node in ast.walk(_tree(path)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        roots = {name.partition(".")[0] for name in names}
        assert not roots & {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
        if isinstance(node, ast.Call):
            keywords = {word.arg: word.value for word in node.keywords}
            called = ast.unparse(node.func)
            if called == "torch.load":
                assert ast.unparse(keywords.get("weights_only", ast.Constant(None))) == "True"
            if called in {"np.load", "numpy.load"}:
                assert ast.unparse(keywords.get("allow_pickle", ast.Constant(None))) == "False"


def test_nothing_names_a_machine() -> None:
    # assembled, so that this file does not hold what it looks for
    pattern = re.compile(r"(?<![\w.])/(?:{})/".format("|".join(("work", "root", "home"))))
    files = [*SOURCES, *TESTS, *DOCUMENTS, ROOT / "Makefile", ROOT / "constraints.txt"]
    found = [_relative(path) for path in files if pattern.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_packages_of_the_wheel_are_those_of_the_tree() -> None:
    listed = tomllib.loads(_text("pyproject.toml"))["tool"]["setuptools"]["packages"]
    there = {
        path.parent.relative_to(ROOT).as_posix().replace("/", ".")
        for path in SOURCES
        if path.name == "__init__.py"
    }
    folders = {path.parent.relative_to(ROOT).as_posix().replace("/", ".") for path in SOURCES}
    assert set(listed) == there == folders
    assert not any(name.startswith("tests") for name in listed)


def test_pins_are_exact_sorted_and_cover_what_is_asked_for() -> None:
    def canonical(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    lines = _text("constraints.txt").split()
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    names = [canonical(line.partition("==")[0]) for line in lines]
    assert names == sorted(names)
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"]]
    asked += [item for name in extras if name not in {"gpu", "tensorrt"} for item in extras[name]]
    needed = {canonical(re.match(r"[\w.-]+", item).group()) for item in asked}  # type: ignore[union-attr]
    assert needed - {"sceneprint"} <= set(names)


def test_imports_go_downward() -> None:
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    result = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_help_imports_nothing_heavy() -> None:
    program = f"""
import json, sys, time
start = time.perf_counter()
from app.cli import run
assert run(["--help"]) == 0
spent = time.perf_counter() - start
print(json.dumps([spent, sorted(set(sys.modules) & set({HEAVY!r}))]))
"""
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seconds, heavy = json.loads(result.stdout.splitlines()[-1])
    print(f"sceneprint --help took {seconds:.3f} s after the start of Python")  # the aim is 0.3 s
    assert heavy == []


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Leaves of the command tree; by shape, because typer brings its own copy of click."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
    for name, child in (children or {}).items():
        yield from _commands(child, f"{path} {name}")


COMMANDS = dict(_commands(get_command(app), "sceneprint"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_an_example_and_a_line_in_the_documents(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert re.search(rf"Example: {name}(\s|$)", text), text
    undocumented = [
        option.name
        for option in COMMANDS[name].params
        if option.param_type_name == "option" and not option.help
    ]
    assert undocumented == []
    assert name in _text("docs/commands.md")


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_mapped_and_documented(name: str) -> None:
    answer = ANSWERS[getattr(errors, name)]
    row = rf"\| `{name}` \| {answer.exit_code} \| {answer.status} \| `{answer.slug}` \|"
    assert re.search(row, _text("docs/errors.md")), row.replace("\\", "")


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{prefix}{name.upper()}__")
        else:
            yield prefix + name.upper()


def test_every_setting_is_documented_and_nothing_else() -> None:
    documented = re.findall(r"^\| `(SCENEPRINT_\w+)` \|", _text("docs/settings.md"), re.MULTILINE)
    assert documented == list(_variables(Settings, "SCENEPRINT_"))


@pytest.mark.parametrize(
    "name", [*ADAPTERS, *FUSIONS, *SOUND_FAMILIES, *TEXT_FAMILIES, *BACKENDS, *RUNTIMES]
)
def test_every_registered_name_is_documented(name: str) -> None:
    assert f"`{name}" in _all_documents()


def test_the_command_tree_was_walked() -> None:
    assert {"sceneprint ingest", "sceneprint train builtin", "sceneprint bench search"} <= set(
        COMMANDS
    )


def test_the_two_readmes_have_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        blocks = re.findall(r"```\w*\n(.*?)```", _text(name), re.DOTALL)
        lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
        return [line for line in lines if line.startswith(("sceneprint", "make", "git", "pip"))]

    def verbs(name: str) -> list[str]:
        return [" ".join(line.split()[:2]) for line in commands(name)]

    assert verbs("README.md") == verbs("README.zh-CN.md")
    assert len(commands("README.md")) >= 7


@pytest.mark.parametrize("path", DOCUMENTS, ids=_relative)
def test_links_of_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target
