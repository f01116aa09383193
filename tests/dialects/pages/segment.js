// Segment's browser client, as a page has it: `start` gives it to the page as `client`.
import { AnalyticsBrowser } from "@segment/analytics-next";

window.start = async ({ url, key, ...options }) => {
  const { host } = new URL(url);
  const integrations = { "Segment.io": { apiHost: `${host}/v1`, protocol: "http", ...options } };
  window.client = AnalyticsBrowser.load({ writeKey: key, cdnURL: url }, { integrations });
  await window.client.ready();
};
