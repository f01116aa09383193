"""Lines that other products have archived -> what a batch of ours is decoded to.

Enters: a line. Leaves: events and rejections in the dialect's own form, and when the line arrived at its collector. Guaranteed: the
rules of the live endpoints hold; nothing is read here but what only an archive has.

    segment     a message or a batch in JSON, as Segment and RudderStack write them to object stores
    snowplow    an enriched event (TSV of 131 columns), or a tracker's `payload_data` in JSON
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ..decode import Decoded, Limits, Unreadable
from ..dialects import segment, snowplow
from ..dialects.opened import Bad, encode, moment

_EVENTS = {
    "page_view": "pv",
    "page_ping": "pp",
    "struct": "se",
    "unstruct": "ue",
    "transaction": "tr",
    "transaction_item": "ti",
}
# The columns of an enriched event, in their order; those that a tracker sends have the tracker's name after the colon.
# https://docs.snowplow.io/docs/fundamentals/canonical-event/
_COLUMNS = """
app_id:aid platform:p etl_tstamp collector_tstamp dvce_created_tstamp:dtm event:e event_id:eid txn_id:tid name_tracker:tna
v_tracker:tv v_collector v_etl user_id:uid user_ipaddress:ip user_fingerprint:fp domain_userid:duid domain_sessionidx:vid
network_userid:nuid geo_country geo_region geo_city geo_zipcode geo_latitude geo_longitude geo_region_name ip_isp
ip_organization ip_domain ip_netspeed page_url:url page_title:page page_referrer:refr page_urlscheme page_urlhost page_urlport
page_urlpath page_urlquery page_urlfragment refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery
refr_urlfragment refr_medium refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts:co
se_category:se_ca se_action:se_ac se_label:se_la se_property:se_pr se_value:se_va unstruct_event:ue_pr tr_orderid:tr_id
tr_affiliation:tr_af tr_total:tr_tt tr_tax:tr_tx tr_shipping:tr_sh tr_city:tr_ci tr_state:tr_st tr_country:tr_co ti_orderid:ti_id
ti_sku:ti_sk ti_name:ti_nm ti_category:ti_ca ti_price:ti_pr ti_quantity:ti_qu pp_xoffset_min:pp_mix pp_xoffset_max:pp_max
pp_yoffset_min:pp_miy pp_yoffset_max:pp_may useragent:ua br_name br_family br_version br_type br_renderengine br_lang:lang
br_features_pdf br_features_flash br_features_java br_features_director br_features_quicktime br_features_realplayer
br_features_windowsmedia br_features_gears br_features_silverlight br_cookies br_colordepth:cd br_viewwidth br_viewheight os_name
os_family os_manufacturer os_timezone:tz dvce_type dvce_ismobile dvce_screenwidth dvce_screenheight doc_charset:cs doc_width
doc_height tr_currency:tr_cu tr_total_base tr_tax_base tr_shipping_base ti_currency:ti_cu ti_price_base base_currency
geo_timezone mkt_clickid mkt_network etl_tags dvce_sent_tstamp:stm refr_domain_userid refr_dvce_tstamp derived_contexts
domain_sessionid:sid derived_tstamp event_vendor event_name event_format event_version event_fingerprint true_tstamp:ttm
""".split()
_NAMES = [column.partition(":")[2] or column for column in _COLUMNS]


class Found(NamedTuple):
    """What a line holds, and when it arrived at its collector."""

    decoded: Decoded
    received_at: dt.datetime | None


class _Received(msgspec.Struct, rename="camel"):
    received_at: str | int | float | None = None
    batch: msgspec.Raw | None = None


_received = msgspec.json.Decoder(_Received)


def read_segment(text: bytes, source: str, limits: Limits) -> Found:
    """Read an archived message, or a batch.

    Raises:
        Unreadable: it is neither.
    """
    try:
        around = _received.decode(text)
        received_at = moment(around.received_at, "receivedAt")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Bad) as error:
        raise Unreadable(str(error)) from None
    opened = segment.open_body(text, "" if around.batch is not None else "track")
    return Found(opened.decoded(source, limits), received_at)


def read_snowplow(text: bytes, source: str, limits: Limits) -> Found:
    """Read an enriched event, or what a tracker sent.

    Raises:
        Unreadable: it is neither.
    """
    if b"\t" not in text:
        return Found(snowplow.open_body(text).decoded(source, limits), None)
    try:
        values = text.decode().rstrip("\r\n").split("\t")
    except UnicodeDecodeError as error:
        raise Unreadable(str(error)) from None
    if len(values) != len(_NAMES):
        raise Unreadable(f"{len(values)} columns, an enriched event has {len(_NAMES)}")
    fields = {name: value for name, value in zip(_NAMES, values, strict=True) if value}
    try:
        received_at = moment(fields.pop("collector_tstamp", None), "collector_tstamp")
    except Bad as error:
        raise Unreadable(f"collector_tstamp: {error}") from None
    opened = snowplow.open_body(encode({"data": [_parameters(fields)]}))
    return Found(opened.decoded(source, limits), received_at)


def _parameters(fields: dict[str, str]) -> dict[str, Any]:
    """An enriched event as the tracker may have sent it."""
    found = dict(fields)
    found["e"] = _EVENTS.get(fields.get("e", ""), fields.get("e", ""))
    found.setdefault("tv", "unknown")
    width, height = found.pop("dvce_screenwidth", ""), found.pop("dvce_screenheight", "")
    if width and height:
        found["res"] = f"{width}x{height}"
    return found


FORMS: Mapping[str, Callable[[bytes, str, Limits], Found]] = {
    segment.NAME: read_segment,
    snowplow.NAME: read_snowplow,
}
