// `ostler promotions`: where every rule stands.
import {list, promotionShape, type Promotion} from '../../http/shapes.ts'
import {coloured, plain, sayJson, table} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

export const promotions: Verb = (program) =>
  clientVerb(program, 'promotions', 'list promotion rules and what they say').action(
    async (flags: ClientFlags) => {
      const client = await clientOf(flags)
      const found = await client.get(list(promotionShape), '/promotions')
      if (flags.json) return sayJson(found)
      table(
        ['RULE', 'FROM', 'TO', 'VERDICT', 'CANDIDATE', 'BEHIND', 'REASONS'],
        found.items.map((rule) => [
          rule.name,
          `${rule.from} ${(rule.fromTip ?? '').slice(0, 12)}`,
          `${rule.to} ${(rule.toTip ?? '').slice(0, 12)}`,
          coloured(rule.verdict ?? 'unknown'),
          (rule.candidate ?? rule.would ?? '').slice(0, 12),
          rule.lag.commits === null ? '' : `${rule.lag.commits} commits`,
          [...rule.reasons.map(plain), ...spoken(rule)].join('; '),
        ]),
      )
    },
  )

/** What people have said that the reasons do not tell. */
const spoken = ({controls}: Promotion): string[] =>
  controls
    .filter(({kind}) => kind !== 'hold')
    .map(
      ({kind, by, revision, until}) =>
        `${words[kind]} by ${plain(by)}${revision === null ? '' : `: ${revision.slice(0, 12)}`}${until === null ? '' : ` until ${until}`}`,
    )

const words = {
  hold: 'held',
  approval: 'approved',
  denial: 'denied',
  allowance: 'allowed',
  override: 'unfrozen',
} as const
