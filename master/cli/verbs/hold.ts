// `ostler hold`, `ostler release`: keeps promotion rules from moving their branches, and lets them go on.
import {z} from 'zod'
import {controlShape} from '../../http/shapes.ts'
import {plain, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, span, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly reason: string
  readonly for?: number
  readonly control?: string
}

/** What the API answers when something was said to a rule. */
export const saidShape = z.object({items: z.array(controlShape)})

export const hold: Verb = (program) =>
  clientVerb(program, 'hold <rule>', 'keep a promotion rule from moving its branch')
    .requiredOption('--reason <text>', 'why, for people')
    .option('--for <time>', 'for how long, such as 2h; without it until it is released', span)
    .action(async (rule: string, flags: Flags) => {
      const client = await clientOf(flags)
      const body = {reason: flags.reason, ...(flags.for === undefined ? {} : {forSeconds: flags.for})}
      const made = await client.post(saidShape, `/promotions/${encodeURIComponent(rule)}/hold`, body)
      if (flags.json) return sayJson(made)
      for (const {id, until} of made.items)
        say(`${rule} is held (${id})${until === null ? '' : ` until ${until}`}`)
    })

export const release: Verb = (program) =>
  clientVerb(program, 'release <rule>', "end a promotion rule's holds")
    .requiredOption('--reason <text>', 'why, for people')
    .option('--control <id>', 'end only this one: a hold, an approval, a denial or an unfreezing')
    .action(async (rule: string, flags: Flags) => {
      const client = await clientOf(flags)
      const body = {reason: flags.reason, ...(flags.control === undefined ? {} : {control: flags.control})}
      const ended = await client.post(saidShape, `/promotions/${encodeURIComponent(rule)}/release`, body)
      if (flags.json) return sayJson(ended)
      for (const {id, kind, by, reason} of ended.items)
        say(`${rule}: the ${kind} ${id} of ${plain(by)} is over: ${plain(reason)}`)
    })
