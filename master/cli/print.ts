// What the command writes: tables that line up, colours where they are seen, and text of strangers made harmless.
import {isatty} from 'node:tty'
import {stripVTControlCharacters} from 'node:util'
import picocolors from 'picocolors'

// Colours are for eyes: a pipe gets plain text, also on a CI machine, unless FORCE_COLOR asks for them.
const {NO_COLOR, FORCE_COLOR} = process.env
const wanted = !NO_COLOR && (Boolean(FORCE_COLOR) || isatty(process.stdout.fd))
const pc = picocolors.createColors(wanted)

const paint: Readonly<Record<string, (text: string) => string>> = {
  success: pc.green,
  connected: pc.green,
  alive: pc.green,
  done: pc.green,
  sent: pc.green,
  promote: pc.green,
  current: pc.green,
  idle: pc.dim,
  skipped: pc.dim,
  offline: pc.dim,
  warnings: pc.yellow,
  wait: pc.yellow,
  waiting: pc.yellow,
  paused: pc.yellow,
  draining: pc.yellow,
  retry: pc.yellow,
  failure: pc.red,
  refuse: pc.red,
  lost: pc.red,
  givenUp: pc.red,
  silent: pc.red,
  exception: pc.magenta,
  cancelled: pc.magenta,
  running: pc.cyan,
  building: pc.cyan,
}

/** A state or result in its colour; the word itself always stands there. */
export const coloured = (word: string): string =>
  Object.hasOwn(paint, word) ? (paint[word] as (text: string) => string)(word) : word

export const say = (text: string): void => void process.stdout.write(`${text}\n`)
export const sayError = (text: string): void => void process.stderr.write(`${text}\n`)
export const sayJson = (value: unknown): void => say(JSON.stringify(value, null, 2))

/** `1 log`, `2 logs`. */
export const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? '' : 's'}`

/** A size in the units in which one is given to a worker. */
export function sayBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let [value, unit] = [bytes, 0]
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1]
  return `${Number.isInteger(value) || value >= 100 ? String(Math.round(value)) : value.toFixed(1)} ${units[unit] ?? ''}`
}

/** One line without anything that a terminal would obey. */
export const plain = (text: string): string =>
  stripVTControlCharacters(text).replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ')

/** Columns under their heads; on a terminal the last column is cut at the edge. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
  const cells = [heads.map((head) => pc.dim(head)), ...rows]
  const seen = (cell: string) => stripVTControlCharacters(cell).length
  const widths = heads.map((_head, at) => Math.max(...cells.map((row) => seen(row[at] ?? ''))))
  for (const row of cells)
    say(
      row
        .map((cell, at) => (at === row.length - 1 ? cell : cell + ' '.repeat((widths[at] ?? 0) - seen(cell))))
        .join('  ')
        .trimEnd(),
    )
}

/** How long something took or takes, short. */
export function span(from: string | null, to: string | null): string {
  if (from === null) return ''
  const seconds = Math.max(
    0,
    Math.round(((to === null ? Date.now() : Date.parse(to)) - Date.parse(from)) / 1000),
  )
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
}
