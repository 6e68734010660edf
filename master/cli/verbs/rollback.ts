// `ostler rollback`: says what taking a branch back would do; does it with `--yes`.
import {rollbackPlanShape, rolledBackShape, type RollbackPlan} from '../../http/shapes.ts'
import {Ending, exits} from '../exits.ts'
import {plain, say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly yes?: boolean
  readonly reason?: string
  readonly deny?: boolean
}

export const rollback: Verb = (program, end) =>
  clientVerb(program, 'rollback <rule>', "take a rule's branch back to before its last promotion")
    .option('--yes', 'do it; without this, only say what would be done')
    .option('--reason <text>', 'why, for people')
    .option('--deny', 'deny the revision that is taken back, too')
    .action(async (rule: string, flags: Flags) => {
      const client = await clientOf(flags)
      const address = `/promotions/${encodeURIComponent(rule)}/rollback`
      if (flags.yes && !flags.reason)
        throw new Ending(exits.usage, 'a rollback needs a reason: --reason TEXT')
      const plan = await client.get(rollbackPlanShape, address)
      if (!flags.json) for (const line of inWords(plan)) say(line)
      if (!flags.yes) {
        if (flags.json) sayJson(plan)
        else say('nothing was done; --yes --reason TEXT does it')
        return
      }
      const {from, to} = plan
      const done = await client.post(rolledBackShape, address, {
        from,
        to,
        reason: flags.reason,
        deny: flags.deny === true,
      })
      if (flags.json) sayJson(done)
      else
        say(
          done.state === 'done' ? `${plan.branch} is at ${to}` : `${done.state}: ${plain(done.error ?? '')}`,
        )
      if (done.state !== 'done') end(exits.failed)
    })

function inWords({branch, from, to, commits, holds, warnings}: RollbackPlan): string[] {
  return [
    `${branch} goes from ${from.slice(0, 12)} back to ${to.slice(0, 12)}: ${String(commits)} commits leave it`,
    `held until released: ${holds.join(', ')}`,
    ...warnings.map((warning) => `note: ${plain(warning)}`),
  ]
}
