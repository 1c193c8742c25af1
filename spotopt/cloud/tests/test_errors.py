"""Whatever AWS answers, a caller sees one of six classes, and never boto3's own."""

import socket

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError

from spotopt.cloud import compute, errors, session
from spotopt.cloud.account import Account

REGION = "us-east-1"
SPEC = compute.LaunchSpec(
    instance_type="t3.medium", mode="spot", az_name="us-east-1a", image_id="ami-12345678"
)


def launch() -> compute.Machine:
    return compute.launch(Account(), REGION, spec=SPEC, client_token="one")


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InsufficientInstanceCapacity", 500, errors.CapacityError),
        ("UnfulfillableCapacity", 500, errors.CapacityError),
        ("Unsupported", 400, errors.CapacityError),
        ("ReservationCapacityExceeded", 400, errors.CapacityError),
        ("InsufficientFreeAddressesInSubnet", 400, errors.CapacityError),
        ("SpotMaxPriceTooLow", 400, errors.CapacityError),
        ("IdempotentInstanceTerminated", 400, errors.CapacityError),
        ("MaxSpotInstanceCountExceeded", 400, errors.QuotaError),
        ("VcpuLimitExceeded", 400, errors.QuotaError),
        ("InstanceLimitExceeded", 400, errors.QuotaError),
        ("RequestLimitExceeded", 503, errors.ThrottleError),
        ("Throttling", 400, errors.ThrottleError),
        ("ServiceUnavailable", 503, errors.ThrottleError),
        ("Unavailable", 503, errors.ThrottleError),
        ("InternalError", 500, errors.ThrottleError),
        ("InvalidInstanceID.NotFound", 400, errors.NotYetVisibleError),
        ("IncorrectInstanceState", 400, errors.NotYetVisibleError),
        ("UnauthorizedOperation", 403, errors.PermanentError),
        ("AuthFailure", 401, errors.PermanentError),
        ("InvalidParameterValue", 400, errors.PermanentError),
        ("InvalidAMIID.NotFound", 400, errors.PermanentError),
        ("InvalidSubnetID.NotFound", 400, errors.PermanentError),
        ("IdempotentParameterMismatch", 400, errors.PermanentError),
        ("NeverHeardOfIt", 400, errors.PermanentError),
        ("NeverHeardOfIt", 500, errors.UnreachableError),
        ("NeverHeardOfIt", 503, errors.ThrottleError),
        ("NeverHeardOfIt", 429, errors.ThrottleError),
    ],
)
def test_an_answer_is_sorted_by_its_code_and_then_by_its_status(script, code, status, kind):
    script.refuse(code, "told so", status)

    with pytest.raises(errors.CloudError) as caught:
        launch()

    assert type(caught.value) is kind
    assert caught.value.code == code
    assert caught.value.message == "told so"


def test_a_refusal_is_not_retried_behind_the_callers_back(script):
    script.refuse("InternalError", status=500)

    with pytest.raises(errors.ThrottleError):
        launch()

    assert len(script.asked) == 1


@pytest.mark.parametrize("status", [200, 500, 502])
def test_a_page_of_html_leaves_the_outcome_unknown(script, status):
    script.say(status, "<!doctype html><title>500</title><h1>Oops", "text/html")

    with pytest.raises(errors.UnreachableError):
        launch()


def test_a_cut_line_leaves_the_outcome_unknown(script):
    script.say(0, "")

    with pytest.raises(errors.UnreachableError):
        launch()


def test_an_answer_that_names_no_instance_leaves_the_outcome_unknown(script):
    script.say(200, "<RunInstancesResponse><instancesSet/></RunInstancesResponse>")

    with pytest.raises(errors.UnreachableError):
        launch()


def test_nobody_listening_is_unreachable(settings):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{held.getsockname()[1]}"
        with pytest.raises(errors.UnreachableError):
            launch()


def test_silence_is_unreachable_once_the_time_limit_is_over(settings, monkeypatch):
    monkeypatch.setattr(session, "READ_SECONDS", 0.2)
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        settings.AWS_ENDPOINT_URL = f"http://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(errors.UnreachableError) as caught:
            launch()
    assert caught.value.code == "ReadTimeoutError"


def test_ciphertext_and_length_are_cut_from_messages():
    error = errors.sort(
        ClientError(
            {
                "Error": {
                    "Code": "UnauthorizedOperation",
                    "Message": "You may not.\nEncoded authorization failure message: " + "x" * 900,
                }
            },
            "RunInstances",
        )
    )
    assert error.message == "You may not."
    long = errors.sort(ClientError({"Error": {"Code": "X", "Message": "y" * 900}}, "RunInstances"))
    assert len(long.message) == 300


@pytest.mark.parametrize(
    "raised",
    [
        NoCredentialsError(),
        ParamValidationError(report="bad"),
        ClientError({}, "RunInstances"),
        ClientError({"Error": {}}, "RunInstances"),
    ],
)
def test_what_needs_a_person_is_permanent(raised):
    assert type(errors.sort(raised)) is errors.PermanentError


def test_sorting_twice_changes_nothing():
    error = errors.QuotaError("VcpuLimitExceeded")
    assert errors.sort(error) is error


def test_a_code_belongs_to_one_class():
    codes = [code for kind in errors.CODES.values() for code in kind]
    assert len(codes) == len(set(codes))
