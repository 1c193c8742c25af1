"""Service Quotas for EC2: the vCPU quotas of spot and on-demand instances."""

from __future__ import annotations

import json
from typing import Any

from .aws_errors import Refusal

_QUOTAS = {
    "L-34B43A08": "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
    "L-7212CCBC": "All P4, P3 and P2 Spot Instance Requests",
    "L-1216C47A": "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-417A185B": "Running On-Demand P instances",
}
_VCPUS = 640.0


def answer(action: str, body: bytes) -> dict[str, Any]:
    """Raises Refusal for what the service would refuse."""
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        raise Refusal("SerializationException", "The body is no JSON") from None
    if given.get("ServiceCode") != "ec2":
        raise Refusal("NoSuchResourceException", "Only the service ec2 is simulated")
    if action in ("GetServiceQuota", "GetAWSDefaultServiceQuota"):
        code = given.get("QuotaCode")
        if code not in _QUOTAS:
            raise Refusal("NoSuchResourceException", f"There is no quota {code}")
        return {"Quota": _quota(code)}
    if action in ("ListServiceQuotas", "ListAWSDefaultServiceQuotas"):
        return {"Quotas": [_quota(code) for code in _QUOTAS]}
    raise Refusal("IllegalArgumentException", f"{action} is not simulated")


def _quota(code: str) -> dict[str, Any]:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:us-east-1:123456789012:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": _QUOTAS[code],
        "Value": _VCPUS,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
