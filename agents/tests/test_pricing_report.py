"""Endpoint 6: what machines say that pools cost."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents import placement
from agents.models import Agent
from agents.tests import support
from pricing import zones
from pricing.models import OnDemandPrice, Pool, RawPrice
from spotopt.cloud.zones import ZoneName
from spotopt.lib.times import rfc3339
from spotopt.tests import cast

pytestmark = pytest.mark.django_db
OWN = "t3.medium.use1-az1"


@pytest.fixture
def report(now):
    """`report(pool_id=…)` is a body."""
    return lambda **fields: (
        {
            "pool_id": OWN,
            "spot_price": 0.0456,
            "timestamp": rfc3339(now),
            "is_replica": False,
        }
        | fields
    )


@pytest.fixture
def post(url):
    """`post(api, body)`."""
    return lambda api, body: api.post(url("pricing-report"), body, format="json")


class TestStored:
    def test_a_report(self, slot, post, report):
        answer = post(slot.api, report())
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "success",
            "processed": True,
            "data_quality_flag": "normal",
        }
        row = RawPrice.objects.get()
        assert (row.pool_id, row.price, row.source) == (OWN, Decimal("0.0456"), "primary")
        assert (row.client_id, row.instance_id) == (
            slot.agent.client_id,
            slot.primary.instance_id,
        )

    def test_twice_is_stored_once(self, slot, post, report):
        post(slot.api, report())
        assert post(slot.api, report()).json()["data_quality_flag"] == "duplicate"
        assert RawPrice.objects.count() == 1

    def test_many(self, slot, post, report, now):
        batch = [report(timestamp=rfc3339(now - n * timedelta(minutes=5))) for n in range(20)]
        body = post(slot.api, {"reports": batch}).json()
        assert body["processed"] is True
        assert [one["data_quality_flag"] for one in body["results"]] == ["normal"] * 20
        assert RawPrice.objects.count() == 20

    def test_what_was_delivered_before_is_told_apart(self, slot, post, report, now):
        earlier = report(timestamp=rfc3339(now - timedelta(minutes=5)))
        post(slot.api, earlier)
        body = post(slot.api, {"reports": [earlier, report()]}).json()
        assert [one["data_quality_flag"] for one in body["results"]] == ["duplicate", "normal"]

    def test_a_thousand_in_few_statements(self, slot, post, report, now):
        batch = [report(timestamp=rfc3339(now - n * timedelta(minutes=5))) for n in range(1000)]
        with CaptureQueriesContext(connection) as queries:
            assert post(slot.api, {"reports": batch}).status_code == 200
        assert len(queries) < 25

    def test_a_price_as_aws_writes_it(self, slot, post, report):
        post(slot.api, report(spot_price="0.045600"))
        assert RawPrice.objects.get().price == Decimal("0.0456")

    def test_a_floats_tail_is_rounded(self, slot, post, report):
        post(slot.api, report(spot_price=0.1 + 0.2))
        assert RawPrice.objects.get().price == Decimal("0.3")


class TestPools:
    def test_without_one_it_is_the_machines_own(self, standby_api, standby, post, report, url):
        body = report()
        del body["pool_id"]
        post(standby_api, body)
        assert RawPrice.objects.get().pool_id == standby.pool_id

    def test_by_type_and_zone_id(self, slot, post, report):
        body = report(pool_id=None, instance_type="c5.large", az_id="use1-az2")
        assert post(slot.api, body).status_code == 200
        assert RawPrice.objects.get().pool_id == "c5.large.use1-az2"

    def test_by_type_and_the_accounts_zone_name(self, slot, post, report, client_acme, now):
        client_acme.aws_role_arn = "arn:aws:iam::111111111111:role/spotopt"
        client_acme.save()
        zones.learn("111111111111", "us-east-1", [ZoneName("us-east-1b", "use1-az6")], now)
        body = report(pool_id=None, instance_type="c5.large", az="us-east-1b")
        assert post(slot.api, body).status_code == 200
        assert RawPrice.objects.get().pool_id == "c5.large.use1-az6"

    def test_a_place_is_looked_up_once_for_many(self, slot, post, report, monkeypatch, now):
        found = []
        locate = placement.locate

        def counted(**where):
            found.append(where)
            return locate(**where)

        monkeypatch.setattr(placement, "locate", counted)
        body = report(pool_id=None, instance_type="c5.large", az_id="use1-az2")
        times = [rfc3339(now - n * timedelta(minutes=5)) for n in range(10)]
        post(slot.api, {"reports": [body | {"timestamp": time} for time in times]})
        assert len(found) == 1

    @pytest.mark.parametrize(
        ("where", "field"),
        [
            ({"pool_id": "pool_456"}, "pool_id"),
            ({"pool_id": "t3.medium.usw2-az1"}, "pool_id"),
            ({"pool_id": 7}, "pool_id"),
            ({"pool_id": []}, "pool_id"),
            ({"pool_id": "x" * 100}, "pool_id"),
            ({"pool_id": None, "instance_type": "c5.large"}, "az"),
            ({"pool_id": None, "instance_type": "nonsense"}, "instance_type"),
            ({"pool_id": None, "az_id": "usw2-az1"}, "az_id"),
            ({"pool_id": None, "az": "eu-west-1a"}, "az"),
            ({"pool_id": None, "az": {}}, "az"),
        ],
    )
    def test_what_is_no_pool_of_the_machines_region(self, slot, post, report, where, field):
        pools = Pool.objects.count()
        answer = post(slot.api, report(**where))
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not RawPrice.objects.exists()
        assert Pool.objects.count() == pools


class TestTrust:
    def source(self):
        return RawPrice.objects.get().source

    def test_a_standby_is_an_automatic_replica(self, standby_api, post, report):
        post(standby_api, report(is_replica=True))
        assert self.source() == "automatic_replica"

    def test_in_manual_mode_a_manual_one(self, standby_api, post, report):
        Agent.objects.update(auto_switch_enabled=False, manual_replica_enabled=True)
        post(standby_api, report(is_replica=True))
        assert self.source() == "manual_replica"

    def test_a_standby_cannot_claim_to_be_the_primary(self, standby_api, post, report):
        post(standby_api, report(is_replica=False))
        assert self.source() == "automatic_replica"

    def test_a_promoted_one_delivers_what_it_kept_as_a_replica(
        self, slot, standby, standby_api, post, report, now
    ):
        support.move(slot.primary, standby)
        then = report(is_replica=True, timestamp=rfc3339(now - timedelta(minutes=10)))
        body = post(standby_api, {"reports": [then, report()]}).json()
        assert len(body["results"]) == 2
        rows = RawPrice.objects.order_by("at").values_list("source", flat=True)
        assert list(rows) == ["automatic_replica", "primary"]

    def test_a_client_token_speaks_for_the_standby_if_it_says_replica(
        self, acme_api, slot, standby, post, report
    ):
        body = report(is_replica=True)
        del body["pool_id"]
        post(acme_api, body)
        row = RawPrice.objects.get()
        assert (row.instance_id, row.pool_id) == (standby.instance_id, standby.pool_id)

    def test_primary_and_replica_of_one_pool_are_averaged(self, slot, client_acme, post, report):
        twin = cast.make_instance(slot.agent, "i-0acme0000000003", role="standby")
        twin_api = cast.bearer(cast.agent_token(slot.agent, twin.instance_id))
        assert post(slot.api, report(spot_price=0.050)).json()["data_quality_flag"] == "normal"
        answer = post(twin_api, report(spot_price=0.060, is_replica=True))
        assert answer.json()["data_quality_flag"] == "averaged"
        assert RawPrice.objects.count() == 2


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"spot_price": 0}, "spot_price"),
            ({"spot_price": -1}, "spot_price"),
            ({"spot_price": 1e-9}, "spot_price"),
            ({"spot_price": 1e9}, "spot_price"),
            ({"spot_price": 10**60}, "spot_price"),
            ({"spot_price": "NaN"}, "spot_price"),
            ({"spot_price": "Infinity"}, "spot_price"),
            ({"spot_price": "1e-400"}, "spot_price"),
            ({"spot_price": "cheap"}, "spot_price"),
            ({"spot_price": None}, "spot_price"),
            ({"spot_price": True}, "spot_price"),
            ({"spot_price": []}, "spot_price"),
            ({"timestamp": "now"}, "timestamp"),
            ({"timestamp": "2026-03-01T12:00:00"}, "timestamp"),
            ({"timestamp": 5}, "timestamp"),
            ({"timestamp": None}, "timestamp"),
            ({"timestamp": "9999-12-31T23:59:59Z"}, "timestamp"),
            ({"timestamp": "0001-01-01T00:00:00Z"}, "timestamp"),
            ({"is_replica": "yes"}, "is_replica"),
            ({"instance_id": "x"}, "instance_id"),
        ],
    )
    def test_bad_input_names_its_field(self, slot, post, report, change, field):
        answer = post(slot.api, report(**change))
        assert answer.status_code == 400
        assert list(answer.json()["errors"]) == [field]
        assert not RawPrice.objects.exists()

    @pytest.mark.parametrize(
        "age", [timedelta(minutes=-6), timedelta(days=91)], ids=["ahead", "old"]
    )
    def test_times_that_are_not_taken(self, slot, post, report, now, age):
        answer = post(slot.api, report(timestamp=rfc3339(now - age)))
        assert list(answer.json()["errors"]) == ["timestamp"]

    def test_ten_times_on_demand(self, slot, post, report, now):
        OnDemandPrice.objects.create(
            instance_type="t3.medium",
            region="us-east-1",
            price=Decimal("0.0416"),
            effective_from=now - timedelta(days=1),
        )
        assert list(post(slot.api, report(spot_price=0.42)).json()["errors"]) == ["spot_price"]
        assert post(slot.api, report(spot_price=0.41)).status_code == 200

    def test_one_bad_report_refuses_all_and_is_named(self, slot, post, report, now):
        bad = report(timestamp=rfc3339(now - timedelta(days=91)))
        answer = post(slot.api, {"reports": [report(), bad]})
        assert list(answer.json()["errors"]) == ["reports.1.timestamp"]
        foreign = report(pool_id="t3.medium.usw2-az1")
        answer = post(slot.api, {"reports": [report(), foreign]})
        assert list(answer.json()["errors"]) == ["reports.1.pool_id"]
        assert answer.json()["message"].startswith("reports.1.pool_id: ")
        assert not RawPrice.objects.exists()

    def test_bad_among_two_sources_refuses_all(self, standby, slot, post, report, now):
        """They are stored in two calls, and still all or none."""
        old = report(is_replica=True, timestamp=rfc3339(now - timedelta(days=91)))
        assert post(slot.api, {"reports": [report(), old]}).status_code == 400
        assert not RawPrice.objects.exists()

    @pytest.mark.parametrize("reports", [[], None, {}, "x", [1], [None]])
    def test_what_is_no_batch(self, slot, post, reports):
        answer = post(slot.api, {"reports": reports})
        assert answer.status_code == 400
        assert next(iter(answer.json()["errors"])).startswith("reports")

    def test_too_many(self, slot, post, report):
        assert post(slot.api, {"reports": [report()] * 1001}).status_code == 400

    @pytest.mark.parametrize("body", [[], None, 1, "x"])
    def test_what_is_no_object(self, slot, post, body):
        assert post(slot.api, body).status_code == 400

    def test_a_fenced_machine(self, slot, standby, post, report):
        support.move(slot.primary, standby)
        assert post(slot.api, report()).json()["code"] == "superseded"
        assert not RawPrice.objects.exists()
