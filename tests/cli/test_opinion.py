"""`mos`, and opinion in tables, through the real command line."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli.test_bad_input import refused
from tests.support.command import Command
from tests.support.evidence import make_model, quick_record
from tests.support.records import keep

GOOD = {"net": 4.0, "other": 2.5, "third": 3.2, "fourth": 3.0}


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    """Ten raters, six images, four methods, and a column that nobody needs."""
    random = np.random.default_rng(4)
    lines = ["rater,image,method,score,seconds"]
    for rater in range(10):
        bias = random.normal(0, 0.2)
        for image in range(6):
            for method, mean in GOOD.items():
                score = int(np.clip(round(random.normal(mean + bias, 0.5)), 1, 5))
                lines.append(f"r{rater},i{image},{method},{score},1.0")
    path = tmp_path / "votes.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def stored(bokehbench: Command) -> Command:
    """Records of the four methods."""
    keep(
        bokehbench.store,
        [
            quick_record(
                "gpu",
                label=name,
                psnr=20 + mos,
                model=make_model(sha256=f"{place}" * 64),
                record_id=f"r{place}",
                trials=None,
            )
            for place, (name, mos) in enumerate(GOOD.items())
        ],
    )
    return bokehbench


def test_import_prints_opinion(bokehbench: Command, ratings: Path) -> None:
    ended = bokehbench("mos", "import", ratings)
    assert ended.code == 0
    assert ended.out.split().index("net") < ended.out.split().index("other")
    assert "Krippendorff's alpha" in ended.out
    assert "BT.500-14" in ended.out
    assert "columns left out: seconds" in ended.err
    assert not bokehbench.store.exists()


def test_json_holds_everything(bokehbench: Command, ratings: Path) -> None:
    ended = bokehbench("mos", "import", ratings, "--screening", "p910", "--json", "-")
    document = ended.json()
    assert document["format"] == "bokehbench-mos/1"
    assert document["methods"][0]["method"] == "net"
    assert len(document["pictures"]) == 24
    assert len(document["raters"]) == 10
    assert len(document["comparisons"]) == 6
    assert document["correlations"] == []
    assert "P.910" in document["screening_source"]


def test_a_study_goes_into_tables(stored: Command, ratings: Path) -> None:
    ended = stored("mos", "import", ratings, "--study", "final", "--records")
    assert ended.code == 0
    assert "SRCC" in ended.out
    assert "PLCC" in ended.out
    assert "study final kept" in ended.err
    assert stored("mos", "list").out.startswith("final  240 votes, scale 1 to 5, votes.csv")
    assert stored("mos", "list", "--json").json()["studies"][0]["name"] == "final"
    shown = stored("mos", "show", "final", "--json", "-").json()
    table = stored("table", "--mos", "final", "--format", "json").json()
    mos = {row["team"]["value"]: row["mos"]["value"] for row in table["rows"]}
    assert mos == {m["method"]: m["mos"] for m in shown["methods"]}
    from_file = stored("table", "--mos", ratings, "--format", "json").json()
    assert from_file["rows"] == table["rows"]
    track = stored(
        "table", "--challenge", "mai22", "--track", 2, "--mos", "final", "--format", "csv"
    )
    assert track.out.splitlines()[0].split(",")[-4:] == ["mos", "rank", "notes", "table"]
    assert track.out.splitlines()[1].startswith("net,")


def test_methods_have_to_be_those_of_records(stored: Command, ratings: Path) -> None:
    ratings.write_text(ratings.read_text().replace("third", "thirt"))
    refused(
        stored("mos", "import", ratings, "--records"), 2, "unknown method 'thirt'; is it 'third'?"
    )
    refused(stored("mos", "import", ratings, "--method", "net"), 2, "unknown method 'other'")
    ended = stored("table", "--mos", ratings)
    assert ended.code == 0
    assert "no records of thirt" in ended.err


def test_metrics_of_a_file(stored: Command, ratings: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    assert stored("table", "--format", "csv", "-o", table).code == 0
    document = stored("mos", "import", ratings, "--metrics", table, "--json", "-").json()
    found = {(c["metric"], c["kind"]): c for c in document["correlations"]}
    assert found["psnr", "PLCC"]["methods"] == 4
    assert found["psnr", "PLCC"]["value"] > 0.9
    assert ("lpips", "PLCC") not in found


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"method,psnr\nnet," + b"2" * 200_000, "no valid CSV"),
        (b"method,psnr\nnet,20\n" * (1 << 20), "larger than 16 MiB"),
        (b"method,psnr\nnet,\xff\n", "no UTF-8"),
        (b"{", "no valid JSON"),
        (b'{"rows": 1}', "no list `rows`"),
        (b"a,b\n1,2\n", "no table of metrics"),
    ],
)
def test_what_is_no_table_of_metrics(
    bokehbench: Command, ratings: Path, tmp_path: Path, content: bytes, complaint: str
) -> None:
    table = tmp_path / "table"
    table.write_bytes(content)
    refused(bokehbench("mos", "import", ratings, "--metrics", table), 2, complaint)


def test_names_that_are_not_utf8(bokehbench: Command, ratings: Path) -> None:
    name = b"final\xff".decode("utf-8", "surrogateescape")
    ended = bokehbench("mos", "import", ratings, "--study", name)
    refused(ended, 2, "--study", "not UTF-8")
    assert ended.out == ""
    odd = ratings.rename(ratings.with_name(name))
    assert bokehbench("mos", "import", odd, "--study", "final").code == 0
    assert "final\\udcff, " in bokehbench("mos", "list").out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["mos", "import", "none.csv"], "none.csv: can't be read"),
        (["mos", "import", "."], "is a folder"),
        (["mos", "import", "VOTES", "--scale", "5-1"], "--scale 5-1: not a range"),
        (["mos", "import", "VOTES", "--scale", "x"], "--scale x: not a range"),
        (["mos", "import", "VOTES", "--scale", "1-3"], "is outside of 1 to 3"),
        (["mos", "import", "VOTES", "--replace"], "--replace goes with --study"),
        (["mos", "import", "VOTES", "--study", " "], "--study: an empty name"),
        (["mos", "import", "VOTES", "--metrics", "none"], "none: can't be read"),
        (["mos", "import", "VOTES", "--metrics", "x", "--records"], "not from both"),
        (["mos", "import", "VOTES", "--records"], "no store at"),
        (["mos", "import", "VOTES", "--min-votes", "99"], "lower --min-votes"),
        (["mos", "show", "final"], "no store at"),
        (["table", "--mos", "final"], "no store at"),
    ],
)
def test_wrong_words(bokehbench: Command, ratings: Path, words: list[str], complaint: str) -> None:
    ended = bokehbench(*(ratings if word == "VOTES" else word for word in words))
    assert ended.code == 2
    assert ended.out == ""
    assert complaint in ended.complaint


def test_other_ratings_under_a_name_that_is_taken(bokehbench: Command, ratings: Path) -> None:
    assert bokehbench("mos", "import", ratings, "--study", "final").code == 0
    ratings.write_text(ratings.read_text() + "late,i0,net,3,1.0\nlate,i1,net,3,1.0\n")
    ended = bokehbench("mos", "import", ratings, "--study", "final")
    assert ended.code == 2
    assert "--replace it" in ended.err
    assert bokehbench("mos", "import", ratings, "--study", "final", "--replace").code == 0
    assert "242 votes" in bokehbench("mos", "list").out


def test_unknown_studies(stored: Command) -> None:
    refused(stored("table", "--mos", "final"), 2, "no study 'final', and no such file")
    ended = stored("mos", "list")
    assert (ended.code, ended.out) == (0, "")
    assert "no studies" in ended.err
