// PostHog's browser client, as a page has it. It takes a headless browser for a bot, unless told not to look.
import posthog from "posthog-js";

window.start = ({ url, key, ...options }) =>
  new Promise((resolve) => {
    window.client = posthog.init(key, { api_host: url, opt_out_useragent_filter: true, ...options, loaded: () => resolve() });
  });
