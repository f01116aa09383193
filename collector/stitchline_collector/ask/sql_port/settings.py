"""Which settings a client may send, and what becomes of each.

Enters: the settings of a request. Leaves: those that the engine is given, and the limits they make narrower.
Guaranteed: nothing that writes, reaches outside, lifts a limit or names a file; everything else is refused as a server
refuses a read-only user.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace

from ...engine import QueryError, ReadLimits

READONLY = 164
_CANNOT_PARSE = 72

# How an answer is computed or written. Not all of `output_format_`: output_format_schema names a file to write.
_HONOURED = frozenset(
    "date_time_input_format date_time_output_format session_timezone join_use_nulls group_by_use_nulls union_default_mode"
    " transform_null_in extremes final max_threads max_block_size limit offset count_distinct_implementation"
    " cast_string_to_dynamic_use_inference cast_keep_nullable prefer_column_name_to_alias empty_result_for_aggregation_by_empty_set"
    " format_csv_delimiter format_csv_null_representation format_tsv_null_representation bool_true_representation"
    " bool_false_representation output_format_write_statistics output_format_decimal_trailing_zeros result_overflow_mode"
    " show_data_lake_catalogs_in_system_tables".split()
)
_HONOURED_FAMILY = re.compile(
    r"output_format_(json|arrow|parquet|orc|pretty|csv|tsv|native|binary|markdown)_\w+"
)
# A server's setting -> ours: a client may ask for less, never for more.
_LIMITS = {
    "max_execution_time": "time_s",
    "max_result_rows": "result_rows",
    "max_result_bytes": "result_bytes",
    "max_memory_usage": "memory_bytes",
    "max_bytes_to_read": "read_bytes",
}
# What clients send by themselves about the connection or the server's records; here it changes nothing.
QUIET = frozenset(
    "query_id quota_key wait_end_of_query buffer_size session_id session_timeout session_check client_protocol_version"
    " enable_http_compression http_zlib_compression_level send_progress_in_http_headers http_headers_progress_interval_ms"
    " http_response_buffer_size http_write_exception_in_output_format cancel_http_readonly_queries_on_client_close"
    " add_http_cors_header log_queries log_comment log_query_settings opentelemetry_start_trace_probability"
    " http_receive_timeout http_send_timeout receive_timeout send_timeout connect_timeout priority stacktrace role"
    " async_insert wait_for_async_insert timeout_overflow_mode read_overflow_mode close_session decompress compress".split()
)


_SENDABLE = "', '".join(sorted(_HONOURED | QUIET | set(_LIMITS)))
# The same as `changeable`, of a column `name`, in SQL.
CHANGEABLE = f"name IN ('{_SENDABLE}') OR match(name, '^{_HONOURED_FAMILY.pattern}$')".replace("\\", "\\\\")


def changeable(name: str) -> bool:
    """Whether a client may send a setting."""
    return name in _HONOURED or name in QUIET or name in _LIMITS or bool(_HONOURED_FAMILY.fullmatch(name))


def granted(sent: Mapping[str, str], limits: ReadLimits) -> tuple[dict[str, str], ReadLimits]:
    """Sort the settings of a request.

    Args:
        sent: By name, as text.
        limits: The most that any request may cost.

    Returns:
        What the engine is given, and the request's own limits.

    Raises:
        QueryError: a setting is none of those that a client may send; the code is ClickHouse's READONLY.
    """
    honoured: dict[str, str] = {}
    for name, value in sent.items():
        if name == "readonly" and value == "1":
            continue
        if not changeable(name):
            raise QueryError(f"Cannot modify '{name}' setting in readonly mode", READONLY)
        if name in _LIMITS:
            limits = _narrowed(limits, name, value)
        elif name == "max_threads":
            honoured[name] = str(min(_number(name, value), os.cpu_count() or 1))
        elif name not in QUIET:
            honoured[name] = value
    return honoured, limits


def _narrowed(limits: ReadLimits, name: str, value: str) -> ReadLimits:
    wanted = _number(name, value)
    ours = _LIMITS[name]
    most = {field.name: int(getattr(limits, field.name)) for field in fields(limits)}[ours]
    # For a server 0 is "no limit"; here it is "the limit there is".
    return replace(limits, **{ours: min(wanted, most) if wanted > 0 else most})


def _number(name: str, value: str) -> int:
    try:
        return int(float(value))
    except (ValueError, OverflowError):
        raise QueryError(f"Cannot parse number of setting '{name}' from {value!r}", _CANNOT_PARSE) from None
