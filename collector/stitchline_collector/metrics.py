"""`/metrics`: every term of "nothing disappears silently", read when asked and never counted on the event path.

received  = accepted + rejected + suppressed
accepted + recovered = loaded + isolated + spooled + damaged + erased        (and the same for rejected events: kind="rejected")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Sample = tuple[dict[str, str], float]
Source = Callable[[], Iterable[tuple[str, str, str, list[Sample]]]]
"""Yields (kind, name, meaning, samples) of each metric; kind is `counter` or `gauge`."""

_FAMILIES = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}


class _Asked(Collector):
    """Asks its source at each scrape."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        for kind, name, meaning, samples in self._source():
            family = _FAMILIES[kind](name, meaning, labels=tuple(samples[0][0]) if samples else ())
            for labels, value in samples:
                family.add_metric(tuple(labels.values()), value)
            yield family


class Metrics:
    """The metrics of this process."""

    def __init__(self, *sources: Source) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._registry)
        for source in sources:
            self._registry.register(_Asked(source))

    def text(self) -> bytes:
        """The exposition, in Prometheus' text format."""
        return generate_latest(self._registry)
