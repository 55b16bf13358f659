"""`sceneprint reindex`: from one encoder to another and back, with what a person reads."""

import shutil
from pathlib import Path

import pytest

from tests import films
from tests.app.shell import Shell, fits

CSV = (
    "video,start,end,label,group\n"
    "colours,0,2,warm,tint\ncolours,2,4,cold,tint\ncolours,4,6,cold,tint\n"
)


@pytest.fixture
def own(tmp_path: Path, colour_film: films.Film, shell: Shell) -> Path:
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy2(colour_film.path, folder / "colours.mp4")
    films.write_film(folder / "gone.mp4", films.flat_shot("red", 25), gop=25)
    shell("ingest", folder, "-l", tmp_path / "library", "--encoder", "fake:colour/v1")
    (folder / "gone.mp4").rename(tmp_path / "gone.mp4")
    return tmp_path / "library"


def test_there_and_back(own: Path, shell: Shell) -> None:
    other = ("reindex", "--encoder", "fake:other/v1", "-l", own, "--from", "films")
    text = shell(*other, code=2)
    assert "gone.mp4" in text
    assert "--without-missing" in text
    assert "still uses fake:colour/v1; beside it fake:other/v1 has 3 shots of 1 film" in text
    assert "reindex: colours.mp4" in shell.err
    assert "Kept too" in shell("info", "-l", own)

    done = shell.json(*other, "--without-missing")
    assert (done["is_used"], done["was_changed"], done["num_embedded"]) == (True, True, 0)
    assert [Path(one["path"]).name for one in done["missing"]] == ["gone.mp4"]
    used, kept = shell.json("info", "-l", own)["vector_sets"]
    assert (used["name"], used["num_missing"]) == ("fake:other/v1", 1)
    assert (kept["name"], kept["num_shots"], kept["is_used"]) == ("fake:colour/v1", 4, False)
    text = shell("info", "-l", own)
    assert "1 film has no vectors of this encoder" in text
    assert "sceneprint reindex --encoder fake:other/v1" in text
    assert fits(text.partition("\n\n")[0])
    assert shell.json("search", "red", "-l", own)[0]["video_name"] == "colours.mp4"
    shell("search", "red", "-l", own, "--encoder", "fake:colour/v1", code=2)
    assert f"sceneprint reindex --encoder fake:colour/v1 --library {own}" in " ".join(
        shell.err.split()
    )

    (own.parent / "gone.mp4").rename(own.parent / "films" / "gone.mp4")
    text = shell(*other)
    assert "1 shots embedded" in text
    back = shell("reindex", "--encoder", "fake:colour/v1", "-l", own)
    assert "`sceneprint reindex --encoder fake:other/v1` changes back at once" in back
    text = shell("reindex", "--encoder", "fake:colour/v1", "-l", own, "--prune")
    assert "forgotten: fake:other/v1" in text


def test_adapters_of_the_old_encoder_are_named_with_their_command(
    own: Path, shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text(CSV)
    shell("labels", "import", tmp_path / "labels.csv", "-l", own)
    options = ["--method", "anchored-probe", "--modalities", "picture", "--error-rate", "0.2"]
    shell("teach", "mine", "--group", "tint", *options, "-l", own)
    text = shell("reindex", "--encoder", "fake:other/v1", "-l", own, "--without-missing")
    command = (
        "sceneprint teach mine --group tint --modalities picture --method anchored-probe "
        f"--error-rate 0.2 --library {own}"
    )
    assert command in text
    shell("classify", "colours.mp4", "--adapter", "mine", "-l", own, code=2)
    assert f"`{command}`" in " ".join(shell.err.split())
    shell(*command.split()[1:])
    shell("classify", "colours.mp4", "--adapter", "mine", "-l", own)
    again = shell.json("reindex", "--encoder", "fake:other/v1", "-l", own, "--without-missing")
    assert again["teach_again"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "magic"], "known families"),
        (["--encoder", "fake:other/v1", "--prune", "--no-switch"], "cannot be forgotten"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str], message: str, own: Path, shell: Shell
) -> None:
    shell("reindex", *arguments, "-l", own, code=2)
    assert message in " ".join(shell.err.split())
