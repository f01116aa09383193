// Snowplow's browser tracker, as a page has it.
import * as snowplow from "@snowplow/browser-tracker";

window.start = ({ url, key, ...options }) => {
  snowplow.newTracker("shop", url, { appId: key, contexts: { webPage: true }, ...options });
  window.client = snowplow;
};
