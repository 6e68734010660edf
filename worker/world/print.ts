// What the worker says about itself: one line per event on standard error, `time level event key=value ...`.
export type Facts = Readonly<Record<string, string | number | boolean | null | undefined>>

function line(level: string, event: string, facts: Facts): void {
  const told = Object.entries(facts)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${shown(String(value))}`)
  process.stderr.write(`${new Date().toISOString()} ${level} ${event}${told.join('')}\n`)
}

const shown = (value: string): string => (/^[\w.,:;@%+/-]+$/.test(value) ? value : JSON.stringify(value))

/** Says that something happened. */
export const note = (event: string, facts: Facts = {}): void => line('info', event, facts)
/** Says that something went wrong and how the worker goes on. */
export const warn = (event: string, facts: Facts = {}): void => line('warn', event, facts)
