// `ostler excuses`: why newer commits were not promoted.
import {excusesShape, list} from '../../http/shapes.ts'
import {coloured, plain, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, count, type ClientFlags, type Verb} from '../verb.ts'

export const excuses: Verb = (program) =>
  clientVerb(program, 'excuses <rule> [revision]', 'tell why commits were not promoted')
    .option('--looks <number>', 'how many of the last looks that came to something new', count, 3)
    .action(async (rule: string, revision: string | undefined, flags: ClientFlags & {looks: number}) => {
      const client = await clientOf(flags)
      const found = await client.get(list(excusesShape), `/promotions/${encodeURIComponent(rule)}/excuses`, {
        looks: flags.looks,
        revision,
      })
      if (flags.json) return sayJson(found)
      for (const look of found.items) {
        say(`${look.decidedAt}: ${coloured(look.verdict)}: ${look.reasons.map(plain).join('; ')}`)
        for (const excuse of look.excuses) say(`  ${excuse.revision.slice(0, 12)}: ${plain(excuse.because)}`)
      }
    })
