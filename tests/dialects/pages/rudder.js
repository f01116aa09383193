// RudderStack's browser client, as a page has it. The bundled form fetches no plugins from elsewhere.
import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

window.start = ({ url, key, ...options }) =>
  new Promise((resolve) => {
    window.client = new RudderAnalytics();
    window.client.load(key, url, { configUrl: url, polyfillIfRequired: false, ...options, onLoaded: () => resolve() });
  });
