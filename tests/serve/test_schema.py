"""The API keeps to what /openapi.json says of it, whatever is sent."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

load_all_checks()
WITH_INPUT = ["POST /api/search", "POST /api/search/gallery/{row}", "GET /api/gallery/{row}"]
WITHOUT = ["GET /api/model", "GET /healthz", "GET /readyz", "GET /metrics"]
FITS, DOES_NOT = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def described(server: str) -> dict[str, Any]:
    """By method and path."""
    schema = schemathesis.openapi.from_url(f"{server}/openapi.json")
    found = [result.ok() for result in schema.get_all_operations()]
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


def test_every_operation_is_tried(described: dict[str, Any]) -> None:
    assert sorted(described) == sorted([*WITH_INPUT, *WITHOUT])


@pytest.mark.parametrize(
    ("operation", "mode"),
    [*((each, FITS) for each in [*WITH_INPUT, *WITHOUT]), *((each, DOES_NOT) for each in WITH_INPUT)],
)
def test_whatever_is_sent_is_answered_as_the_schema_says(
    operation: str, mode: schemathesis.GenerationMode, described: dict[str, Any]
) -> None:
    # To the schema a picture is any bytes; and it knows no number of rows, nor which are busy.
    unknown = [positive_data_acceptance, not_a_server_error]

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    @given(case=described[operation].as_strategy(generation_mode=mode))
    def holds(case: Any) -> None:
        response = case.call_and_validate(excluded_checks=unknown)
        assert response.status_code < 500 or (response.status_code == 503 and "k=99" in response.request.url)

    holds()
