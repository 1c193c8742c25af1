"""For load balancers: whether this process can serve."""

import logging

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from spotopt.lib import api_errors
from spotopt.lib.times import rfc3339

log = logging.getLogger(__name__)


@csrf_exempt
@never_cache
def health(request: HttpRequest) -> JsonResponse:
    """200 if the database answers, else 503; open to all, one trivial query."""
    now = rfc3339(timezone.now())
    if request.method not in ("GET", "HEAD"):
        response = JsonResponse(api_errors.body("Only GET is answered here."), status=405)
        response["Allow"] = "GET, HEAD"
        return response
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        log.error("the database did not answer: %s", type(error).__name__)  # noqa: TRY400
        connection.close()
        shape = api_errors.body("The database is out of reach.")
        response = JsonResponse({**shape, "timestamp": now}, status=503)
        response["Retry-After"] = "5"
        return response
    return JsonResponse({"status": "healthy", "timestamp": now})
