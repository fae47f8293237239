"""Bounds by pattern of list names."""

import re

import pytest

from channel_layer.capacities import Capacities
from channel_layer.layer import Capacity
from shared.errors import ConfigurationError


def test_the_first_pattern_that_fits_wins() -> None:
    """Globs and expressions are tried in their order; without one that fits, the usual bounds."""
    usual = Capacity(100, 1000)
    capacities = Capacities(
        usual,
        {
            "http.request": 7,
            "http.*": Capacity(8, 9),
            re.compile(r"server\.\w+\."): 9,
            "*": 10,
        },
    )
    assert capacities.of("http.request") == Capacity(7, 1000)
    assert capacities.of("http.request.body?x") == Capacity(8, 9)
    assert capacities.of("server.response.P!") == Capacity(9, 1000)
    assert capacities.of("other") == Capacity(10, 1000)
    assert Capacities(usual).of("other") is usual


def test_any_number_of_names() -> None:
    """Names that are new each time do not fill the memory, and keep getting the right bounds."""
    capacities = Capacities(Capacity(), [("a*", 1), ("b*", 2)])
    for number in range(5000):
        assert capacities.of(f"a{number}").messages == 1
        assert capacities.of(f"b{number}").messages == 2


def test_a_bound_below_one_is_refused() -> None:
    """A list that could hold nothing is a mistake of the operator."""
    with pytest.raises(ConfigurationError):
        Capacities(Capacity(0))
    with pytest.raises(ConfigurationError):
        Capacities(Capacity(), {"a": 0})
