"""Settings, from the environment alone; docs/configuration.md lists each (a test holds both true)."""

import contextlib
import secrets
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from django.core.exceptions import ImproperlyConfigured

from spotopt import localdb
from spotopt.environment import address, required, switch, text, whole, words

django_stubs_ext.monkeypatch()  # so that ModelAdmin[Agent] and the like can be written

BASE_DIR = Path(__file__).resolve().parent.parent
environ.Env.read_env(BASE_DIR / ".env")

# --- what kind of installation this is ---------------------------------------------------------
DEBUG: bool = switch("DEBUG", default=True)
DATA_DIR = Path(text("DATA_DIR", str(BASE_DIR / "var"))).resolve()


def development_key() -> str:
    """A random key kept under DATA_DIR, so that sessions and tokens outlive a restart."""
    path = DATA_DIR / "secret_key"
    if path.exists():
        return path.read_text().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=DATA_DIR, prefix="secret_key.") as file:  # mode 600
        file.write(secrets.token_urlsafe(50))
        file.flush()
        with contextlib.suppress(FileExistsError):  # another process was first: then its key counts
            path.hardlink_to(file.name)
    return path.read_text().strip()


SECRET_KEY = text("SECRET_KEY") or (
    development_key()
    if DEBUG
    else required("SECRET_KEY", "outside development it is yours to keep")
)
# Comma-separated, newest first: the first signs and encrypts, the rest still verify and decrypt.
TOKEN_KEYS: list[str] = words("TOKEN_KEYS", [SECRET_KEY])

PUBLIC_URL = address("PUBLIC_URL", "https", "http")
ALLOWED_HOSTS: list[str] = words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
if PUBLIC_URL and (public_host := urlsplit(PUBLIC_URL).hostname):
    ALLOWED_HOSTS = [*ALLOWED_HOSTS, public_host]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# --- AWS ---------------------------------------------------------------------------------------
AWS_ENDPOINT_URL = address("AWS_ENDPOINT_URL", "https", "http")
SERVER_AWS_ACCOUNT: bool = switch("SERVER_AWS_ACCOUNT", default=DEBUG)
DEFAULT_AMI = text("DEFAULT_AMI") or ("ami-simulated00000000" if AWS_ENDPOINT_URL else "")
DEFAULT_LAUNCH_TEMPLATE = text("DEFAULT_LAUNCH_TEMPLATE")
REQUIRE_VERIFIED_INSTANCES: bool = switch("REQUIRE_VERIFIED_INSTANCES", default=False)

# --- applications ------------------------------------------------------------------------------
INSTALLED_APPS = [
    "daphne",
    "spotopt",
    "clients",
    "pricing",
    "agents",
    "replicas",
    "mlengine",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_htmx",
    "django_q",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "spotopt.urls"
ASGI_APPLICATION = "spotopt.asgi.application"
APPEND_SLASH = True
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# --- database ----------------------------------------------------------------------------------
POSTGRESQL = ("postgres", "postgresql", "psql", "pgsql")
DATABASE_URL = address("DATABASE_URL", *POSTGRESQL) or localdb.running_url(DATA_DIR) or ""
# LISTEN needs a session of its own: behind a pooler in transaction mode, name the server itself here.
DATABASE_DIRECT_URL = address("DATABASE_DIRECT_URL", *POSTGRESQL) or DATABASE_URL
DATABASE_MISSING = (
    ""
    if DATABASE_URL
    else f"No database: set DATABASE_URL, or start the embedded PostgreSQL of {DATA_DIR} with "
    "`python manage.py localdb`."
)
# Web processes serve each request on a thread of its own: they share connections through a pool.
DATABASE_POOL: bool = switch("DATABASE_POOL", default=False)
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        **environ.Env.db_url_config(DATABASE_URL or "postgresql://nobody@localhost:1/missing"),
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 0 if DATABASE_POOL else 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
# Compiling a statement costs half a second, and none of ours runs that long.
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("options", "-c jit=off")
if DATABASE_POOL:
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 2, "max_size": 20, "timeout": 10}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- events between processes ------------------------------------------------------------------
REDIS_URL = address("REDIS_URL", "redis", "rediss")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
    if REDIS_URL
    # Hints wait here for a slow page; beyond the capacity they are dropped.
    else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
}

# --- scheduled work: nothing with a deadline waits for it ----------------------------------------
Q_CLUSTER: dict[str, Any] = {
    "name": "spotopt",
    "orm": "default",
    "workers": whole("QCLUSTER_WORKERS", default=2),
    "timeout": 120,
    "retry": 180,
    "max_attempts": 3,
    "ack_failures": True,
    "save_limit": -1,
    "recycle": 100_000,  # recycling stalls all workers for seconds and has run tasks twice
    "poll": 0.5,
    "catch_up": False,
    "label": "Scheduled work",
}

# --- people ------------------------------------------------------------------------------------
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# --- mail: without EMAIL_URL none is sent, and links are shown to those who may pass them on ----
EMAIL_URL = text("EMAIL_URL")
globals().update(environ.Env.email_url_config(EMAIL_URL or "dummymail://"))
EMAIL_TIMEOUT = 10
PASSWORD_RESET_TIMEOUT = 3600
DEFAULT_FROM_EMAIL = text("MAIL_FROM") or "Spot Optimizer <spotopt@localhost>"

# --- the HTTP API ------------------------------------------------------------------------------
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "clients.auth.BearerAuthentication",
        "clients.auth.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["spotopt.lib.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "spotopt.lib.negotiation.AlwaysJSON",
    "EXCEPTION_HANDLER": "spotopt.lib.api_errors.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "COERCE_DECIMAL_TO_STRING": False,
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

# --- static files ------------------------------------------------------------------------------
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
TESTING = "pytest" in sys.modules
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        # Manifest storage answers 500 until collectstatic has run, so development does without it.
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or TESTING
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG or TESTING  # else each test client would look through all files

# --- transport security ------------------------------------------------------------------------
SECURE_SSL_REDIRECT: bool = switch("SECURE_SSL_REDIRECT", default=not DEBUG)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REDIRECT_EXEMPT = [r"^health$"]
SECURE_HSTS_SECONDS = 31_536_000 if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_SSL_REDIRECT
SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT
SESSION_COOKIE_SECURE = SECURE_SSL_REDIRECT
CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# --- language, time, logs ----------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
LOG_LEVEL = text("LOG_LEVEL", "INFO").upper()
if LOG_LEVEL not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
    raise ImproperlyConfigured(f"LOG_LEVEL={LOG_LEVEL!r} is not a level.")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    # daphne's access log repeats what the load balancer's has; each line costs.
    "loggers": {"django.channels.server": {"level": "WARNING"}},
}
