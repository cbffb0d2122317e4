"""Names for rows of `w+`: what they select, and what is refused."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from latentlayers.editing import default_rows, parse_rows, row_groups
from latentlayers.errors import InvalidInput

laws = settings(deadline=None, max_examples=40)


@pytest.mark.parametrize(
    ("num_ws", "coarse", "middle", "fine"), [(6, 2, 2, 2), (8, 2, 2, 4), (10, 3, 3, 4), (12, 4, 4, 4), (18, 4, 4, 10)]
)
def test_row_groups_are_the_papers_and_scale_down(num_ws: int, coarse: int, middle: int, fine: int) -> None:
    assert [len(rows) for rows in row_groups(num_ws).values()] == [coarse, middle, fine]


@laws
@given(st.integers(3, 40))
def test_every_row_is_in_exactly_one_group_and_none_is_empty(num_ws: int) -> None:
    groups = row_groups(num_ws)
    assert [row for rows in groups.values() for row in rows] == list(range(num_ws))
    assert all(groups.values())
    assert torch.equal(parse_rows("coarse", num_ws) + parse_rows("middle+fine", num_ws), torch.ones(num_ws))


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("coarse", {0: 1, 1: 1, 2: 1}),
        ("coarse+fine", {0: 1, 1: 1, 2: 1, 6: 1, 7: 1, 8: 1, 9: 1}),
        ("5-8", {5: 1, 6: 1, 7: 1, 8: 1}),
        ("0,3,7", {0: 1, 3: 1, 7: 1}),
        (" 0, 3-4 , Middle:0.25", {0: 1, 3: 0.25, 4: 0.25, 5: 0.25}),
        ("split:7", {7: 1, 8: 1, 9: 1}),
        ("split:8:.5", {8: 0.5, 9: 0.5}),
        ("split:10", {}),
        ("none", {}),
        ("9-9:0.5", {9: 0.5}),
        ("all:0.5,5:0,6:1", {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5, 6: 1, 7: 0.5, 8: 0.5, 9: 0.5}),
    ],
)
def test_rows_are_read_as_written(text: str, chosen: dict[int, float]) -> None:
    assert parse_rows(text, 10).tolist() == [chosen.get(row, 0) for row in range(10)]


def test_the_default_rows_are_the_papers_crossover() -> None:
    assert default_rows(18).tolist() == [0] * 9 + [1] * 9
    assert default_rows(10).tolist() == [0] * 5 + [1] * 5


BAD_ROWS = ["", ",", "rough", "10", "5-10", "7-5", "split:11", "split", "-1", "1-", "2:", "2:1.5", "2:nan", "2:-1", "٣"]


@pytest.mark.parametrize("text", [*BAD_ROWS, "9" * 5000, "0," * 3 + "x" * 5000])
def test_rows_that_mean_nothing_are_refused_with_the_valid_forms(text: str) -> None:
    with pytest.raises(InvalidInput) as error:
        parse_rows(text, 10)
    assert error.value.reason == "ROWS_INVALID"
    assert "split:5" in error.value.remedy
    assert len(str(error.value)) < 400


@laws
@given(st.text(max_size=30), st.integers(1, 18))
def test_any_text_gives_rows_or_a_typed_refusal(text: str, num_ws: int) -> None:
    try:
        weights = parse_rows(text, num_ws)
    except InvalidInput as error:
        assert error.reason == "ROWS_INVALID"  # noqa: PT017 - both outcomes are fine
    else:
        assert weights.shape == (num_ws,)
        assert ((weights >= 0) & (weights <= 1)).all()
