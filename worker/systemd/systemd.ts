// What a service tells systemd of itself (sd_notify) and its journal. Outside of systemd all of it does nothing.
import {fstatSync} from 'node:fs'
import {journalEntry, type Told} from './entry.ts'
import {Relay} from './relay.ts'

const journalSocket = '/run/systemd/journal/socket'
/** `systemctl status` shows one line. */
const statusMost = 400

export class Systemd {
  /** Within how many milliseconds a sign of life is wanted; null when none is. */
  readonly watchdogMs: number | null
  /** Whether standard error is the journal, so that entries are better than lines. */
  readonly hasJournal: boolean
  private readonly relay: Relay
  private readonly hasManager: boolean
  private isReady = false
  private lastStatus = ''

  /** Speaks with whoever started the process `pid` with this environment, and with a journal, if standard error is one. */
  constructor(environment: NodeJS.ProcessEnv, pid: number, journal: string | null) {
    const {NOTIFY_SOCKET: notify, WATCHDOG_USEC: watchdog, WATCHDOG_PID: watched} = environment
    this.hasManager = Boolean(notify)
    this.hasJournal = journal !== null
    const isWatched = watchdog !== undefined && (watched === undefined || Number(watched) === pid)
    this.watchdogMs = isWatched && Number(watchdog) > 0 ? Number(watchdog) / 1000 : null
    this.relay = new Relay({notify: notify || null, journal}, () => {
      this.sayAgain()
    })
  }

  /** The service serves. */
  ready(): void {
    this.isReady = true
    this.relay.notify('READY=1')
  }

  /** The configuration is being read again; `ready` ends that. */
  reloading(): void {
    this.relay.notify(`RELOADING=1\nMONOTONIC_USEC=${String(process.hrtime.bigint() / 1000n)}`)
  }

  stopping(): void {
    this.relay.notify('STOPPING=1')
  }

  /** How it is, in one line; said only when it is news. */
  status(text: string): void {
    const line = oneLine(text)
    if (line === this.lastStatus || !this.hasManager) return
    this.lastStatus = line
    this.relay.notify(`STATUS=${line}`)
  }

  /** The sign of life. */
  alive(): void {
    this.relay.notify('WATCHDOG=1')
  }

  /** A start that takes longer than usual asks for as many milliseconds more. */
  extend(ms: number): void {
    this.relay.notify(`EXTEND_TIMEOUT_USEC=${String(ms * 1000)}`)
  }

  /** An entry of the journal; false when standard error is none, and the words must go there. */
  journal(told: Told): boolean {
    const leftOut = this.relay.takeLeftOut()
    if (leftOut > 0) {
      const text = `${String(leftOut)} lines were left out: the journal took none`
      this.relay.journal(journalEntry({...told, priority: 4, text, facts: {}}, process.pid))
    }
    return this.relay.journal(journalEntry(told, process.pid))
  }

  /** Lets the last words through. */
  async close(): Promise<void> {
    await this.relay.close()
  }

  private sayAgain(): void {
    if (!this.hasManager) return
    const ready = this.isReady ? ['READY=1'] : []
    this.relay.notify([...ready, `STATUS=${this.lastStatus}`].join('\n'))
  }
}

/** A text of one line that is not too long. */
export function oneLine(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim()
  return line.length > statusMost ? `${line.slice(0, statusMost - 1)}…` : line
}

/** Whether a file descriptor is the stream that systemd connected to its journal (`JOURNAL_STREAM` names it). */
export function isJournalStream(named: string | undefined, descriptor: number): boolean {
  if (!named) return false
  try {
    const {dev, ino} = fstatSync(descriptor)
    return named === `${String(dev)}:${String(ino)}`
  } catch {
    return false
  }
}

let own: Systemd | null = null

/** This process's systemd. What leads there is taken out of the environment: no child has any business with it. */
export function systemd(): Systemd {
  if (own) return own
  const isJournal = isJournalStream(process.env['JOURNAL_STREAM'], 2)
  own = new Systemd(process.env, process.pid, isJournal ? journalSocket : null)
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID', 'JOURNAL_STREAM'])
    Reflect.deleteProperty(process.env, name)
  return own
}
