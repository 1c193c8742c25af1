"""Service Quotas."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from .harness import code_of


def test_the_spot_quota_is_told(idle):
    quotas = idle.client("service-quotas")
    quota = quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-34B43A08")["Quota"]
    assert quota["Value"] == 640
    assert "Spot" in quota["QuotaName"]
    assert len(quotas.list_service_quotas(ServiceCode="ec2")["Quotas"]) == 6


@pytest.mark.parametrize(("service", "code"), [("ec2", "L-00000000"), ("s3", "L-34B43A08")])
def test_others_are_not_found(idle, service, code):
    with pytest.raises(ClientError) as error:
        idle.client("service-quotas").get_service_quota(ServiceCode=service, QuotaCode=code)
    assert code_of(error) == "NoSuchResourceException"
