/** The device's id once more in a first-party cookie: subdomains share no other storage. */

const MAX_AGE_S = 34_128_000; // 13 months

/** Returns the device's id as the subdomains know it, and lets them know this one; an empty one is forgotten. */
export const shared = (domain: string, id: string): string => {
  const known = /(?:^|; )stl_device=([\w-]{36})/.exec(document.cookie)?.[1];
  if (id && known) return known;
  const secure = location.protocol == "https:" ? "; Secure" : "";
  document.cookie = `stl_device=${id}; Domain=${domain}; Path=/; Max-Age=${id ? MAX_AGE_S : 0}; SameSite=Lax${secure}`;
  return id;
};
