// Questions to the collector, with the reader's key in a header: an address would end up in logs.
const KEY = "stitchline-read-key";

export const key = () => sessionStorage.getItem(KEY);
export const keep = value => sessionStorage.setItem(KEY, value);
export const forget = () => sessionStorage.removeItem(KEY);

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, options = {}) {
  const answer = await fetch(path, {
    ...options,
    headers: { Authorization: `Bearer ${key()}`, ...options.headers },
    cache: "no-store",
  });
  if (answer.ok) return answer;
  const { error, hint } = await answer.json().catch(() => ({ error: answer.statusText }));
  throw new Refused(answer.status, hint ? `${error}: ${hint}` : error);
}
