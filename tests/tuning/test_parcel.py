from carsray.tuning.parcel import Parcel


def test_what_ray_formats_of_a_result_does_not_grow_with_the_weights() -> None:
    assert f"{[{'snapshot': Parcel(bytes(10_000))}]}" == f"{[{'snapshot': Parcel(b'')}]}"
