// What the master tells its operator: one line for each event, as JSON when not on a terminal (journald keeps it).
import {pino} from 'pino'
import type {Logger} from 'pino'

export type Say = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>

/** Lines to standard error. `level` is pino's: debug, info, warn, error, silent. */
export function openSay(level: string): Logger {
  return pino(
    {level, base: null, timestamp: pino.stdTimeFunctions.isoTime},
    pino.destination({fd: 2, sync: false}),
  )
}
