"""Names of pools, and their rows."""

import re
from collections.abc import Collection, Iterable

from pricing.models import LINUX, Pool
from spotopt.lib.errors import BadInput

# How other products end a pool's name.
_SUFFIXES = {"Windows": "windows", "SUSE Linux": "suse", "Red Hat Enterprise Linux": "rhel"}
_PRODUCTS = {suffix: product for product, suffix in _SUFFIXES.items()}
_VPC = " (Amazon VPC)"

_TYPE = r"[a-z][a-z0-9-]{0,20}\.[a-z0-9][a-z0-9-]{0,20}"
_AZ_ID = r"[a-z]{2,6}[0-9]{1,2}(?:-[a-z]{3}[0-9]{1,2})?-(?:az|wlz)[0-9]{1,2}"
_INSTANCE_TYPE = re.compile(_TYPE)
_NAME = re.compile(rf"({_TYPE})\.({_AZ_ID})(?:\.([a-z]+))?")

_AREAS = re.compile(r"([a-z]{2})(g?)(ne|nw|se|sw|n|e|s|w|c)([0-9]{1,2})")
_DIRECTIONS = {
    "n": "north",
    "e": "east",
    "s": "south",
    "w": "west",
    "c": "central",
    "ne": "northeast",
    "nw": "northwest",
    "se": "southeast",
    "sw": "southwest",
}


def usual_product(product: str) -> str:
    """One name for what EC2 calls by two: inside a VPC and outside."""
    return product.removesuffix(_VPC)


def pool_id(instance_type: str, az_id: str, product: str = LINUX) -> str:
    """`t3.medium.use1-az4`; products other than Linux end it with their short name."""
    product = usual_product(product)
    name = f"{instance_type}.{az_id}"
    return name if product == LINUX else f"{name}.{_SUFFIXES[product]}"


def parse(text: str) -> tuple[str, str, str]:
    """(instance type, zone id, product). Raises BadInput naming `pool_id`."""
    match = _NAME.fullmatch(text) if isinstance(text, str) else None
    product = _PRODUCTS.get(match[3]) if match and match[3] else LINUX
    if match is None or product is None or len(match[1]) > 32:
        raise BadInput.field("pool_id", "Not a pool: write it like t3.medium.use1-az4.")
    return match[1], match[2], product


def region_of(az_id: str) -> str:
    """`us-east-1` for `use1-az4`. Raises BadInput naming `az_id`."""
    area = _AREAS.fullmatch(az_id.partition("-")[0]) if re.fullmatch(_AZ_ID, az_id) else None
    if area is None or (area[2] and area[1] != "us"):
        raise BadInput.field("az_id", "Not an availability-zone id: write it like use1-az4.")
    land = "us-gov" if area[2] else area[1]
    return f"{land}-{_DIRECTIONS[area[3]]}-{area[4]}"


def _new(instance_type: str, az_id: str, region: str, product: str) -> Pool:
    if not _INSTANCE_TYPE.fullmatch(instance_type) or len(instance_type) > 32:
        raise BadInput.field("instance_type", "Not an instance type: write it like t3.medium.")
    home = region_of(az_id)
    if region != home:
        raise BadInput.field("az_id", f"{az_id} lies in {home}, not in {region}.")
    product = usual_product(product)
    if product != LINUX and product not in _SUFFIXES:
        raise BadInput.field("product", f"Not a product: one of {LINUX}, {', '.join(_SUFFIXES)}.")
    return Pool(
        pool_id=pool_id(instance_type, az_id, product),
        instance_type=instance_type,
        az_id=az_id,
        region=region,
        product=product,
    )


def ensure(*, instance_type: str, az_id: str, region: str, product: str = LINUX) -> Pool:
    """The pool's row, made if there is none; whoever loses a race gets the winner's.

    Raises BadInput for what cannot be a pool.
    """
    new = _new(instance_type, az_id, region, product)
    found = Pool.objects.filter(pool_id=new.pool_id).first()
    if found is not None:
        return found
    Pool.objects.bulk_create([new], ignore_conflicts=True)
    return Pool.objects.get(pool_id=new.pool_id)


def ensure_many(wanted: Collection[tuple[str, str, str]]) -> None:
    """Rows for all of these (instance type, zone id, product), in two statements at most."""
    named = {pool_id(*parts): parts for parts in wanted}
    known = set(Pool.objects.filter(pool_id__in=named).values_list("pool_id", flat=True))
    missing = sorted(set(named) - known)
    if missing:
        rows = [_of(named[name]) for name in missing]
        Pool.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)


def _of(parts: tuple[str, str, str]) -> Pool:
    instance_type, az_id, product = parts
    return _new(instance_type, az_id, region_of(az_id), product)


def lock(pool_ids: Iterable[str]) -> None:
    """Hold these pools' prices against other writers until the transaction ends.

    In one order, so that two batches never wait for each other; readers and rows that point at a pool
    are not held up.
    """
    rows = Pool.objects.filter(pool_id__in=set(pool_ids)).order_by("pool_id")
    list(rows.select_for_update(no_key=True).values_list("pool_id", flat=True))
