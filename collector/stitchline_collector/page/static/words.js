// Numbers and times as people read them.
export const count = value => Number(value).toLocaleString("en", { maximumFractionDigits: 1 });
export const percent = share => (share === null ? "" : `${(share * 100).toLocaleString("en", { maximumFractionDigits: 1 })}\u00a0%`);
export const many = (value, one, more) => `${count(value)} ${Number(value) === 1 ? one : more}`;
export const most = (rows, of) => rows.reduce((best, row) => (of(row) > of(best) ? row : best));

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [0, "s"]];

export function time(seconds) {
  if (seconds === null) return "";
  const [length, unit] = UNITS.find(([least]) => Math.abs(seconds) >= least);
  return `${count(seconds / (length || 1))} ${unit}`;
}

export const short = (name, most = 20) => (name.length > most ? `${name.slice(0, most - 1)}…` : name);
