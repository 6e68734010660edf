// What the master tells its operator: one line for each event, as JSON on standard error; where that is systemd's journal,
// an entry with a field for each fact (`journalctl OSTLER_BUILD=42`).
import {pino} from 'pino'
import type {DestinationStream, Logger} from 'pino'
import {factText, type Fact} from '../../worker/systemd/entry.ts'
import {systemd} from '../../worker/systemd/systemd.ts'

export type Say = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

const program = 'ostler-master'

/** Lines to standard error. `level` is pino's: debug, info, warn, error, silent. */
export function openSay(level: string): Logger {
  const plain = pino.destination({fd: 2, sync: false})
  return pino(
    {level, base: null, timestamp: pino.stdTimeFunctions.isoTime},
    systemd().hasJournal ? throughJournal(plain) : plain,
  )
}

/** Says why a master cannot start or go on, in the journal or as plain words. */
export function complain(text: string): void {
  if (!systemd().journal({program, priority: 3, text, facts: {}})) console.error(text)
}

interface Line {
  readonly level: number
  readonly time: string
  readonly msg?: string
  readonly err?: {readonly message?: string; readonly stack?: string}
  readonly [fact: string]: unknown
}

function throughJournal(plain: DestinationStream): DestinationStream {
  return {
    write(line) {
      const {level, time: _time, msg = '', err, ...facts} = JSON.parse(line) as Line
      const error = err && {error: err.message, errorStack: err.stack}
      const told = {
        program,
        priority: priorityOf(level),
        text: textOf(msg, {...facts, error: err?.message}),
        facts: {...(facts as Record<string, Fact>), ...error},
      }
      if (!systemd().journal(told)) plain.write(line)
    },
  }
}

/** Pino's levels as syslog's. */
const priorityOf = (level: number) => (level >= 50 ? 3 : level >= 40 ? 4 : level >= 30 ? 6 : 7)

/** `worker connected (worker=w1 version=0.1.0)`. */
function textOf(msg: string, facts: Readonly<Record<string, unknown>>): string {
  const told = Object.entries(facts).flatMap(([name, fact]) =>
    fact === null || fact === undefined ? [] : [`${name}=${factText(fact)}`],
  )
  return told.length === 0 ? msg : `${msg} (${told.join(' ')})`
}
