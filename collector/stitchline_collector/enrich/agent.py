"""Browser, operating system and bot flag from the User-Agent header."""

from __future__ import annotations

from functools import lru_cache

import ua_parser
from user_agents import parsers

from ..rows import Agent, Row
from .arrival import Arrival

MAX_USER_AGENT = 512  # real ones are shorter; what is longer was made to cost time


class UserAgents:
    """Reads User-Agent headers, remembering the recent ones; a step."""

    def __init__(self) -> None:
        self.parse = lru_cache(maxsize=8_192)(parse)
        self.parse(
            "Mozilla/5.0"
        )  # the first call compiles the patterns, 0.15 s that no request should wait for

    def __call__(self, arrival: Arrival, _rows: list[Row]) -> None:
        """Set `arrival.agent`."""
        if arrival.user_agent:
            arrival.agent = self.parse(arrival.user_agent[:MAX_USER_AGENT])


def parse(header: str) -> Agent:
    """Read one header.

    `user_agents.parse` matches a new string with interpreted patterns in 800 us, so unique strings could stall the
    collector. The same reading on the matches of `ua_parser`'s compiled engine takes about 30 us.
    """
    header = header.encode(errors="replace").decode()  # bytes that are not UTF-8 arrive as surrogates
    found = ua_parser.parse(header)
    agent = parsers.UserAgent.__new__(parsers.UserAgent)
    agent.ua_string = header
    browser, system, device = found.user_agent, found.os, found.device
    agent.browser = parsers.parse_browser(
        browser.family if browser else "Other",
        browser and browser.major,
        browser and browser.minor,
        browser and browser.patch,
    )
    agent.os = parsers.parse_operating_system(
        system.family if system else "Other",
        system and system.major,
        system and system.minor,
        system and system.patch,
        system and system.patch_minor,
    )
    agent.device = parsers.parse_device(
        device.family if device else "Other", device and device.brand, device and device.model
    )
    return Agent(
        browser=_known(agent.browser.family),
        browser_version=agent.browser.version_string,
        os=_known(agent.os.family),
        os_version=agent.os.version_string,
        device=_known(agent.device.family),
        is_bot=bool(agent.is_bot),
    )


def _known(family: str) -> str:
    return "" if family == "Other" else family
