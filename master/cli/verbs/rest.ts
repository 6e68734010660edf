// `ostler pause`, `drain` and `resume`: workers at rest, and at work again.
import {z} from 'zod'
import {parseDuration} from '../../../config/terms/durations.ts'
import {Ending, exits} from '../exits.ts'
import {say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

type Flags = ClientFlags & {readonly reason?: string; readonly for?: string; readonly builder?: boolean}

const verbOf =
  (wish: 'pause' | 'drain' | 'resume', description: string, done: string): Verb =>
  (program) => {
    const command = clientVerb(program, `${wish} <name>`, description)
    if (wish !== 'resume') command.option('--reason <text>', 'why, for people')
    if (wish === 'pause')
      command.option('--for <time>', 'how long, such as 90m or 2h; else until it is resumed')
    if (wish !== 'drain') command.option('--builder', 'it is the name of a builder, not of a worker')
    command.action(async (name: string, flags: Flags) => {
      const client = await clientOf(flags)
      const address = `/${flags.builder ? 'builders' : 'workers'}/${encodeURIComponent(name)}/${wish}`
      const answer = await client.post(z.record(z.string(), z.string()), address, {
        ...(flags.reason !== undefined && {reason: flags.reason}),
        ...(flags.for !== undefined && {forSeconds: secondsOf(flags.for)}),
      })
      if (flags.json) sayJson(answer)
      else say(`${name} ${done}`)
    })
  }

function secondsOf(text: string): number {
  const read = parseDuration(text)
  if (read === null || read < 1000)
    throw new Ending(exits.usage, `--for expects a time such as 90m or 2h, not ${text}`)
  return Math.round(read / 1000)
}

export const pause = verbOf('pause', 'give a worker no new builds', 'gets no new builds')
export const drain = verbOf(
  'drain',
  'let a worker finish what it has and give it no more',
  'finishes what it has',
)
export const resume = verbOf('resume', 'give a worker builds again', 'gets builds again')
