// How the demo tells what happens: one line per event, with colours on a terminal.
import picocolors from 'picocolors'
import type {Event} from '../api.ts'

const {bold, cyan, dim, green, red, yellow} = picocolors

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
export function coloured(result: string): string {
  return (resultColours[result] ?? String)(result)
}

/** The first twelve digits of a commit. */
export function short(revision: string): string {
  return cyan(revision.slice(0, 12))
}

/** Tells of one event of the master's log; quiet about those that say nothing new. */
export function tellEvent({type, data}: Event): void {
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
  if (type === 'change.added') tell('change', `${short(revision)} on ${bold(branch)}`)
  if (type === 'build.started') tell('build', `${bold(`${builder} #${number}`)} runs on ${worker}`)
  if (type === 'step.finished') tell('step', `  ${name.padEnd(10)} ${coloured(result)}`)
  if (type === 'build.finished') tell('build', `${bold(`${builder} #${number}`)} ends: ${coloured(result)}`)
  if (type === 'branch.promoted')
    tell('promoted', `${green(bold(to))} now is ${short(revision)}, tested green on ${from}`)
}

/** The end of a log, set off. */
export function tellLog(text: string, lines: number): void {
  for (const line of text.trimEnd().split('\n').slice(-lines))
    console.log(`${' '.repeat(12)}${dim('|')} ${line}`)
}
