"""All metrics of one application, registered under their names.

With several workers, `prometheus_client` keeps the values in files that the process above
reads. Gauges then say how those of several processes become one.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60)
_STORAGE_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BYTES = tuple(1024 * 2**power for power in range(22))
_CONTENT = ("blob", "manifest")
_HANDLERS = (
    "auth",
    "base",
    "blob",
    "blob_upload",
    "blob_upload_chunk",
    "catalog",
    "manifest",
    "referrers",
    "tags",
)


class HttpInstruments:
    """`handler` is a route's kind, `method` is in lower case. Source: Distribution."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.in_flight = Gauge(
            "registry_http_in_flight_requests",
            "The in-flight HTTP requests",
            ["handler"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        for handler in _HANDLERS:
            self.in_flight.labels(handler)
        self.seconds = Histogram(
            "registry_http_request_duration_seconds",
            "The HTTP request latencies in seconds.",
            ["handler", "method"],
            registry=registry,
            buckets=_REQUEST_SECONDS,
        )
        self.requests = Counter(
            "registry_http_requests",
            "Total number of HTTP requests made.",
            ["handler", "method", "code"],
            registry=registry,
        )
        self.request_bytes = Histogram(
            "registry_http_request_size_bytes",
            "The HTTP request sizes in bytes.",
            ["handler"],
            registry=registry,
            buckets=_BYTES,
        )
        self.response_bytes = Histogram(
            "registry_http_response_size_bytes",
            "The HTTP response sizes in bytes.",
            ["handler"],
            registry=registry,
            buckets=_BYTES,
        )
        self.received = Counter(
            "registry_http_received_bytes",
            "Bytes of bodies received so far, also of requests under way.",
            ["handler"],
            registry=registry,
        )
        self.sent = Counter(
            "registry_http_sent_bytes",
            "Bytes of bodies sent so far, also of requests under way.",
            ["handler"],
            registry=registry,
        )


class UploadInstruments:
    """Uploads that a client sends in several requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.open = Gauge(
            "registry_uploads_open",
            "Uploads begun and neither finished nor cancelled since the start.",
            registry=registry,
            multiprocess_mode="sum",
        )
        self.ended = Counter(
            "registry_uploads",
            "Uploads begun, finished and cancelled.",
            ["event"],
            registry=registry,
        )


class StorageInstruments:
    """Calls of the driver. Source: Distribution, for `action_seconds` and its actions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.seconds = Histogram(
            "registry_storage_action_seconds",
            "The number of seconds that the storage action takes",
            ["driver", "action"],
            registry=registry,
            buckets=_STORAGE_SECONDS,
        )
        self.errors = Counter(
            "registry_storage_errors",
            "Storage actions that failed, by the kind of the failure.",
            ["driver", "action", "error"],
            registry=registry,
        )
        self.read = Counter(
            "registry_storage_read_bytes",
            "Bytes read from the storage.",
            ["driver"],
            registry=registry,
        )
        self.written = Counter(
            "registry_storage_written_bytes",
            "Bytes written to the storage.",
            ["driver"],
            registry=registry,
        )


class CacheInstruments:
    """Caches in front of the storage; the first three are Distribution's, over all of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "registry_storage_cache_requests",
            "The number of cache request received",
            registry=registry,
        )
        self.hits = Counter(
            "registry_storage_cache_hits",
            "The number of cache request received",
            registry=registry,
        )
        self.errors = Counter(
            "registry_storage_cache_errors",
            "The number of cache request errors",
            registry=registry,
        )
        self.requests_of = Counter(
            "registry_cache_requests",
            "Requests to a cache.",
            ["cache"],
            registry=registry,
        )
        self.hits_of = Counter(
            "registry_cache_hits",
            "Requests that a cache could answer.",
            ["cache"],
            registry=registry,
        )


class NotificationInstruments:
    """Events on their way to endpoints. Source: Distribution."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "registry_notifications_events",
            "The number of total events",
            ["type", "endpoint"],
            registry=registry,
        )
        self.pending = Gauge(
            "registry_notifications_pending_total",
            "The gauge of pending events in queue",
            ["endpoint"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.dead = Gauge(
            "registry_notifications_dead_letters",
            "Events that an endpoint did not take, kept as dead letters",
            ["endpoint"],
            registry=registry,
            multiprocess_mode="livemax",
        )
        self.statuses = Counter(
            "registry_notifications_status",
            "The number of status code",
            ["code", "endpoint"],
            registry=registry,
        )


class ProxyInstruments:
    """The pull-through cache. Source: Distribution, which shows them at zero without one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests, self.hits, self.misses, self.pulled, self.pushed = (
            Counter(f"registry_proxy_{name}", text, ["type"], registry=registry)
            for name, text in (
                ("requests", "The number of total incoming proxy request received"),
                ("hits", "The number of total proxy request hits"),
                ("misses", "The number of total proxy request misses"),
                ("pulled_bytes", "The size of total bytes pulled from the upstream"),
                ("pushed_bytes", "The size of total bytes pushed to the client"),
            )
        )
        for counter in (self.requests, self.hits, self.misses, self.pulled, self.pushed):
            for kind in _CONTENT:
                counter.labels(kind)


class AccessInstruments:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.refused = Counter(
            "registry_auth_refusals",
            "Requests refused: without credentials, with wrong ones, or not allowed.",
            ["reason"],
            registry=registry,
        )


class HealthInstruments:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.failing = Gauge(
            "registry_health_checks_failing",
            "Health checks that fail now.",
            registry=registry,
            multiprocess_mode="livemax",
        )


class MaintenanceInstruments:
    """What is done beside serving, by `storage.maintenance`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.uploads = Counter(
            "registry_uploads_purged",
            "Uploads that nobody went on with, removed or not to be removed.",
            ["outcome"],
            registry=registry,
        )
        self.tags = Counter(
            "registry_tags_expired",
            "Expired tags, removed or not to be removed.",
            ["outcome"],
            registry=registry,
        )
        self.collections = Counter(
            "registry_garbage_collections",
            "Garbage collections that ended, or were left to be gone on with.",
            ["outcome"],
            registry=registry,
        )
        self.garbage = Counter(
            "registry_garbage_objects",
            "Condemned objects that were deleted, kept after all, or not to be deleted.",
            ["kind", "outcome"],
            registry=registry,
        )
        self.freed = Counter(
            "registry_garbage_freed_bytes",
            "Bytes of blobs that garbage collection deleted.",
            registry=registry,
        )
