// How the demo tells what happens: one line per event, with colours on a terminal.
import {stripVTControlCharacters} from 'node:util'
import picocolors from 'picocolors'
import type {Api, Event} from '../api.ts'

const {isColorSupported, bold, cyan, dim, green, red, yellow} = picocolors

/** `what` in a column of its own. */
export function tell(what: string, text: string): void {
  console.log(`${dim(what.padStart(10))}  ${text}`)
}

const resultColours: Readonly<Record<string, (text: string) => string>> = {
  success: green,
  warnings: yellow,
  failure: red,
  exception: red,
  retry: yellow,
  cancelled: yellow,
  skipped: dim,
}

/** A result in its colour. */
function coloured(result: string): string {
  return (resultColours[result] ?? String)(result)
}

/** The first twelve digits of a commit. */
export function short(revision: string): string {
  return cyan(revision.slice(0, 12))
}

/** Tells of one event of the master's log; quiet about those that say nothing new. */
function tellEvent({type, data}: Event): void {
  const {
    branch = '',
    revision = '',
    builder = '',
    number = '',
    worker = '',
    name = '',
    result = '',
    from = '',
    to = '',
  } = data
  if (type === 'worker.connected') tell('worker', `${worker} is connected`)
  // What a promotion brings to stable is told as the promotion.
  if (type === 'change.added' && branch !== 'stable') tell('change', `${short(revision)} on ${bold(branch)}`)
  if (type === 'build.started') tell('build', `${bold(`${builder} #${number}`)} runs on ${worker}`)
  if (type === 'step.finished') tell('step', `  ${name.padEnd(10)} ${coloured(result)}`)
  if (type === 'build.finished') tell('build', `${bold(`${builder} #${number}`)} ends: ${coloured(result)}`)
  if (type === 'branch.promoted')
    tell('promoted', `${green(bold(to))} now is ${short(revision)}, tested green on ${from}`)
}

/** The end of a log, set off; in its own colours where there are any. */
export function tellLog(text: string, lines: number): void {
  const shown = isColorSupported ? text : stripVTControlCharacters(text)
  for (const line of shown.trimEnd().split('\n').slice(-lines))
    console.log(`${' '.repeat(12)}${dim('|')} ${line}`)
}

/** The master's events, told as they come, from the first one until `end`. */
export class Following {
  private readonly over = new AbortController()
  private readonly told = new Set<string>()
  private readonly telling: Promise<void>

  constructor(api: Api) {
    this.telling = this.follow(api).catch(() => undefined)
  }

  /** Whether a build's end or a commit's promotion was told: the tale waits, so as to come after it. */
  hasTold(type: 'build.finished' | 'branch.promoted', which: string): boolean {
    return this.told.has(`${type} ${which}`)
  }

  /** Nothing is told once this was called. */
  async end(): Promise<void> {
    this.over.abort()
    await this.telling
  }

  private async follow(api: Api): Promise<void> {
    for await (const event of api.events(null, this.over.signal)) {
      if (this.over.signal.aborted) return
      tellEvent(event)
      this.told.add(`${event.type} ${event.data['number'] ?? event.data['revision'] ?? ''}`)
    }
  }
}
