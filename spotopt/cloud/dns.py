"""Route 53 records."""

from spotopt.cloud import errors, session
from spotopt.cloud.account import Account


def point(account: Account, *, zone_id: str, name: str, kind: str, address: str, ttl: int) -> None:
    """Have the record (`kind` A or AAAA) answer with this address alone; `ttl` in seconds. Idempotent.

    Returning means that Route 53 accepted; its servers follow within a minute.
    """
    route53 = session.client(account, "route53", session.HOME_REGION)
    with errors.sorted_out():
        route53.change_resource_record_sets(
            HostedZoneId=zone_id,
            ChangeBatch={
                "Changes": [
                    {
                        "Action": "UPSERT",
                        "ResourceRecordSet": {
                            "Name": name,
                            "Type": kind,
                            "TTL": ttl,
                            "ResourceRecords": [{"Value": address}],
                        },
                    }
                ]
            },
        )
