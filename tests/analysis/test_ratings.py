"""Files of ratings: what is read, and what is refused with its line."""

import codecs

import pytest

from bokehbench.analysis import ratings
from bokehbench.analysis.ratings import Vote, parse_ratings
from bokehbench.errors import RatingsError

GOOD = "rater,image,method,score\nann,1,net,4\nbob,1,net,3.5\n"


def _parse(text: str, **words: object) -> ratings.Ratings:
    return parse_ratings(text.encode(), "votes.csv", **words)  # type: ignore[arg-type]


def test_votes() -> None:
    assert _parse(GOOD).votes == (Vote("ann", "1", "net", 4.0), Vote("bob", "1", "net", 3.5))


@pytest.mark.parametrize(
    "text",
    [
        "score , METHOD,image,Rater\n4, net ,1,ann\n",
        "rater;image;method;score\nann;1;net;4,0\n",
        "rater\timage\tmethod\tscore\r\n\r\nann\t1\tnet\t4\r\n",
        '"rater","image","method","score"\n"ann","1","net","4"',
    ],
)
def test_forms_of_the_same_vote(text: str) -> None:
    assert _parse(text).votes == (Vote("ann", "1", "net", 4.0),)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_mark(encoding: str) -> None:
    text = "rater,image,method,score\nJürgen 北京,1,net,4\n"
    assert parse_ratings(text.encode(encoding), "v").votes[0].rater == "Jürgen 北京"


def test_a_name_may_hold_line_ends_of_other_kinds() -> None:
    text = 'rater,image,method,score\n"a\u2028b",1,net,4\nc,1,net,5\n'
    assert [vote.rater for vote in _parse(text).votes] == ["a\u2028b", "c"]


def test_other_columns_are_named() -> None:
    found = _parse("rater,image,method,score,seconds,\nann,1,net,4,9.1,\n")
    assert found.notes == ("votes.csv: columns left out: seconds, (no name)",)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (GOOD.splitlines()[0].encode(), "no votes below the header"),
        (b"rater,image,score\nann,1,4\n", "no column method"),
        (b"hello\nworld\n", "no column rater, image, method, score"),
        (b"rater,image,method,score,score\na,1,n,4,4\n", "column score is there twice"),
        (GOOD.encode() + b"J\xfcrgen,2,net,3\n", "is no UTF-8; save the file as UTF-8"),
        ("rater,image,method,score\na,1,n,4\n".encode("utf-16-le"), "NUL"),
        (codecs.BOM_UTF16_LE + b"r", "UTF-16"),
        (b'rater,image,method,score\n"ann,1,net,4\n', "no CSV file"),
    ],
)
def test_files_that_are_none(data: bytes, words: str) -> None:
    with pytest.raises(RatingsError, match=words) as caught:
        parse_ratings(data, "votes.csv")
    assert str(caught.value).startswith("votes.csv: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("ann,2,net", "line 4: 3 cells, the header has 4"),
        (",2,net,3", "line 4: no rater"),
        ("ann,,net,3", "line 4: no image"),
        ("ann,2,,3", "line 4: no method"),
        ("ann,2,net,", "line 4: no score"),
        ("ann,2,net,good", "line 4: score 'good' is no number"),
        ("ann,2,net,nan", "line 4: score 'nan' is no number"),
        ("ann,2,net,inf", "line 4: score 'inf' is no number"),
        ("ann,2,net,6", "line 4: score 6 is outside of 1 to 5"),
        ("ann,2,net,0.99", "line 4: score 0.99 is outside of 1 to 5"),
        ("ann,1,net,5", "line 4: 'ann' voted for '1' by 'net' before, in line 2"),
        ("ann,2,nett,5", "line 4: unknown method 'nett'; is it 'net'?"),
        ("ann,2,zzz,5", "line 4: unknown method 'zzz'; known: net, other"),
    ],
)
def test_rows_that_are_wrong(row: str, words: str) -> None:
    with pytest.raises(RatingsError) as caught:
        _parse(f"{GOOD}{row}\n", methods={"net", "other"})
    assert str(caught.value) == f"votes.csv: {words}"


def test_many_problems_are_counted() -> None:
    rows = "".join(f"r{i},1,net,9\n" for i in range(10))
    with pytest.raises(RatingsError, match=r"line 4: .*line 5: .*line 6: .*; and 7 more$"):
        _parse(GOOD + rows)


def test_another_scale() -> None:
    assert _parse("rater,image,method,score\na,1,n,87\n", scale=(0, 100)).votes[0].score == 87


def test_repeats_are_averaged_where_asked_for() -> None:
    found = _parse(f"{GOOD}ann,1,net,5\n", average_repeats=True)
    assert found.votes[0].score == 4.5
    assert found.notes == ("votes.csv: 1 repeated votes averaged",)


def test_a_decimal_comma_only_where_commas_do_not_separate() -> None:
    with pytest.raises(RatingsError, match="'3,5' is no number"):
        _parse('rater,image,method,score\na,1,n,"3,5"\n')


def test_a_file_beyond_all_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratings, "MAX_BYTES", 10)
    with pytest.raises(RatingsError, match="larger than"):
        _parse(GOOD)
