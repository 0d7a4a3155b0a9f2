/** Figures for people: UTC times, durations, sizes, shares. Never the machine's locale or time zone. */

import type { EpochMs } from './glossary.ts';

/** `0.4 s`, `42 s`, `2 min 31 s`, `3 h 5 min`, `12 d 4 h`. Negative and NaN give `?`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '?';
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${trim(seconds, 1)} s`;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  const parts: readonly [number, string][] = [
    [Math.floor(total / 86_400), 'd'],
    [Math.floor(total / 3600) % 24, 'h'],
    [Math.floor(total / 60) % 60, 'min'],
    [total % 60, 's'],
  ];
  const first = parts.findIndex(([value]) => value > 0);
  return parts
    .slice(first, first + 2)
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ');
}

/** `1.4 GB` in powers of 1,000. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return '?';
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${value < 0 ? '-' : ''}${unit === 0 ? Math.round(size) : trim(size, size < 10 ? 1 : 0)} ${units[unit]}`;
}

/** 0.942 → `94 %`; small and nearly whole shares keep what tells them from 0 and 100. */
export function percent(share: number): string {
  if (!Number.isFinite(share)) return '?';
  const value = share * 100;
  if (value > 0 && value < 0.1) return '< 0.1 %';
  if (value > 0 && value < 1) return `${trim(value, 1)} %`;
  if (value > 99 && value < 100) return '> 99 %';
  return `${Math.round(value)} %`;
}

/** `41,200`; below 100 with at most `digits` digits after the point. */
export function count(value: number, digits = 0): string {
  if (!Number.isFinite(value)) return '?';
  const rounded = Math.abs(value) >= 100 ? Math.round(value) : Number(value.toFixed(digits));
  const [whole = '0', fraction] = String(Math.abs(rounded)).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+(?!\d))/g, ',');
  return `${rounded < 0 ? '-' : ''}${grouped}${fraction === undefined ? '' : `.${fraction}`}`;
}

/** 3.2 → `3.2 ms`, 2100 → `2.1 s`. */
export function milliseconds(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0) return '?';
  if (ms < 1) return `${trim(ms, 2)} ms`;
  return ms < 1000 ? `${trim(ms, ms < 10 ? 1 : 0)} ms` : duration(ms / 1000);
}

/** `14:02:25`. */
export function clockTime(at: EpochMs): string {
  return new Date(at).toISOString().slice(11, 19);
}

/** `1 session`, `14 sessions`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** `3.4×`. */
export function times(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio < 10 ? trim(ratio, 1) : count(ratio)}×` : '?';
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** Printable text of bounded length from a name that others chose (application_name): never a command, only prose. */
export function safeName(name: string, limit = 40): string {
  const clean = name.replace(/[^\x20-\x7e\u00a0-\u024f]/g, '?').trim();
  if (clean === '') return '(no name)';
  return clean.length > limit ? `${clean.slice(0, limit - 1)}…` : clean;
}
