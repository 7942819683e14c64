from hypothesis import given
from hypothesis import strategies as st

from carsray.seed import derive


def test_a_derived_seed_never_changes() -> None:
    # Recorded once. Another number here would change the results of every sweep there is.
    assert derive(0, "trial", 17) == 6_804_424_940_628_260_654


@given(st.integers(0, 2**63), st.text(), st.integers())
def test_a_derived_seed_fits_into_a_signed_64_bit_integer(seed: int, name: str, number: int) -> None:
    assert 0 <= derive(seed, name, number) < 2**63


def test_each_name_seed_and_number_has_a_seed_of_its_own() -> None:
    seeds = {derive(seed, name, number) for seed in range(10) for name in ("trial", "views") for number in range(50)}
    assert len(seeds) == 10 * 2 * 50


def test_two_names_are_not_one_long_name() -> None:
    assert derive(0, "trial", 1, 7) != derive(0, "trial", 17)
