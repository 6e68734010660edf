// What the worker says about itself: one line per event on standard error, `time level event key=value ...`; where that is
// systemd's journal, an entry with a field for each fact (`journalctl OSTLER_BUILD=42`).
import {systemd} from '../systemd/systemd.ts'

export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>

const program = 'ostler-worker'
const priorities = {info: 6, warn: 4, error: 3} as const

function line(level: 'info' | 'warn', event: string, facts: Facts): void {
  const told = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${shown(String(value))}`)
  const text = `${event}${told.join('')}`
  if (systemd().journal({program, priority: priorities[level], text, facts: {event, ...facts}})) return
  process.stderr.write(`${new Date().toISOString()} ${level} ${text}\n`)
}

const shown = (value: string): string => (/^[\w.,:;@%+/-]+$/.test(value) ? value : JSON.stringify(value))

/** Says that something happened. */
export const note = (event: string, facts: Facts = {}): void => line('info', event, facts)
/** Says that something went wrong and how the worker goes on. */
export const warn = (event: string, facts: Facts = {}): void => line('warn', event, facts)

/** Says why the worker cannot run: each problem in a line, and all of them in one for `systemctl status`. */
export function refuse(problems: readonly string[]): void {
  for (const text of problems)
    if (!systemd().journal({program, priority: priorities.error, text, facts: {}}))
      process.stderr.write(`ostler worker: ${text}\n`)
  const [first = '', ...others] = problems
  systemd().status(others.length === 0 ? first : `${first} (and ${others.length} more)`)
}
