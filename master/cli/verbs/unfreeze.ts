// `ostler unfreeze`: lifts a promotion rule's freeze for a while.
import {say, sayJson} from '../print.ts'
import {clientOf, clientVerb, span, type ClientFlags, type Verb} from '../verb.ts'
import {saidShape} from './hold.ts'

interface Flags extends ClientFlags {
  readonly reason: string
  readonly for: number
}

export const unfreeze: Verb = (program) =>
  clientVerb(program, 'unfreeze <rule>', "lift a promotion rule's freeze for a while (administrators)")
    .requiredOption('--reason <text>', 'why, for people')
    .requiredOption('--for <time>', 'for how long, such as 1h', span)
    .action(async (rule: string, flags: Flags) => {
      const client = await clientOf(flags)
      const made = await client.post(saidShape, `/promotions/${encodeURIComponent(rule)}/unfreeze`, {
        reason: flags.reason,
        forSeconds: flags.for,
      })
      if (flags.json) return sayJson(made)
      for (const {until} of made.items) say(`no freeze holds ${rule} until ${until ?? ''}`)
    })
