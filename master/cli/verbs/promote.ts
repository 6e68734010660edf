// `ostler promote`: judges the promotion rules now; acts unless it is a dry run.
import {decisionShape, list, promotionShape, type Decision} from '../../http/shapes.ts'
import {exits} from '../exits.ts'
import {coloured, plain, plural, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly dryRun?: boolean
  readonly summary?: boolean
}

export const promote: Verb = (program, end) =>
  clientVerb(program, 'promote [rule...]', 'judge promotion rules now and act; without names, all of them')
    .option('--dry-run', 'only say what would be done')
    .option('--summary', 'one line for all rules, as a journal wants it')
    .addHelpText(
      'after',
      `
The master judges by itself unless its promotions say \`run: onDemand\`; then this is what moves branches, by hand or by
ostler-promote.timer. Exit code 1: a rule failed or met a conflict; that it waits or refuses is no failure.`,
    )
    .action(async (names: string[], flags: Flags) => {
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
        if (!flags.json && !flags.summary)
          for (const line of inWords(decision, flags.dryRun === true)) say(line)
      }
      if (flags.json) sayJson({items: decisions})
      else if (flags.summary) say(summaryOf(decisions, flags.dryRun === true))
      if (decisions.some(({state}) => state === 'failed' || state === 'conflict')) end(exits.failed)
    })

/** `2 rules: 1 moved (stable to 1234567890ab); carry: wait` */
function summaryOf(decisions: readonly Decision[], dryRun: boolean): string {
  const isMoved = ({verdict, state}: Decision) => verdict === 'promote' && (dryRun || state === 'done')
  const moved = decisions
    .filter(isMoved)
    .map(({to, landed, candidate}) => `${to} to ${short(landed ?? candidate)}`)
  const others = decisions
    .filter((decision) => !isMoved(decision))
    .map(({rule, verdict, state}) => `${rule}: ${['decided', 'done'].includes(state) ? verdict : state}`)
  const head = `${plural(decisions.length, 'rule')}: ${String(moved.length)} ${dryRun ? 'would move' : 'moved'}`
  return [moved.length > 0 ? `${head} (${moved.join(', ')})` : head, ...others].map(plain).join('; ')
}

const short = (revision: string | null): string => (revision ?? '').slice(0, 12)

function inWords(decision: Decision, dryRun: boolean): string[] {
  const {rule, verdict, from, to, candidate, landed, state, error} = decision
  const what =
    verdict === 'promote'
      ? `${dryRun ? 'would move' : state === 'done' ? 'moved' : 'did not move'} ${to} to ${short(landed ?? candidate)} of ${from}`
      : `${from} to ${to}`
  return [
    `${rule}: ${coloured(verdict)}: ${what}${state === 'decided' || state === 'done' ? '' : ` (${state})`}`,
    ...decision.reasons.map((reason) => `  ${plain(reason)}`),
    ...(error === null ? [] : [`  ${plain(error)}`]),
  ]
}
