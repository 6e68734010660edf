// `ostler promote`: judges the promotion rules now; acts unless it is a dry run.
import {decisionShape, list, promotionShape, type Decision} from '../../http/shapes.ts'
import {exits} from '../exits.ts'
import {coloured, plain, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

export const promote: Verb = (program, end) =>
  clientVerb(program, 'promote [rule...]', 'judge promotion rules now and act; without names, all of them')
    .option('--dry-run', 'only say what would be done')
    .action(async (names: string[], flags: ClientFlags & {dryRun?: boolean}) => {
      const client = await clientOf(flags)
      const rules =
        names.length > 0
          ? names
          : (await client.get(list(promotionShape), '/promotions')).items.map((rule) => rule.name)
      const decisions: Decision[] = []
      // One after the other: a later rule may carry what an earlier one has just promoted.
      for (const rule of rules) {
        const dryRun = flags.dryRun ? 'true' : 'false'
        const decision = await client.post(
          decisionShape,
          `/promotions/${encodeURIComponent(rule)}/run`,
          {},
          {dryRun},
        )
        decisions.push(decision)
        if (!flags.json) for (const line of inWords(decision, flags.dryRun === true)) say(line)
      }
      if (flags.json) sayJson({items: decisions})
      if (decisions.some(({state}) => state === 'failed' || state === 'conflict')) end(exits.failed)
    })

function inWords(decision: Decision, dryRun: boolean): string[] {
  const {rule, verdict, from, to, candidate, landed, state, error} = decision
  const what =
    verdict === 'promote'
      ? `${dryRun ? 'would move' : state === 'done' ? 'moved' : 'did not move'} ${to} to ${(landed ?? candidate ?? '').slice(0, 12)} of ${from}`
      : `${from} to ${to}`
  return [
    `${rule}: ${coloured(verdict)}: ${what}${state === 'decided' || state === 'done' ? '' : ` (${state})`}`,
    ...decision.reasons.map((reason) => `  ${plain(reason)}`),
    ...(error === null ? [] : [`  ${plain(error)}`]),
  ]
}
