// `ostler force`: asks a scheduler for builds and, with --wait, follows them to their end.
import {buildsetShape, submittedShape} from '../../http/shapes.ts'
import {followBuildset} from '../follow.ts'
import {exits} from '../exits.ts'
import {say, sayJson} from '../print.ts'
import {clientOf, clientVerb, gather, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly builder: string[]
  readonly branch?: string
  readonly revision?: string
  readonly reason?: string
  readonly param?: Record<string, string>
  readonly wait?: boolean
}

export const force: Verb = (program, end) =>
  clientVerb(program, 'force <scheduler>', 'ask a force scheduler for builds')
    .option(
      '--builder <name>',
      'only this builder (may be given again)',
      (name: string, before: string[]) => [...before, name],
      [],
    )
    .option('--branch <branch>', 'the branch to build')
    .option('--revision <revision>', 'the commit to build')
    .option('--reason <text>', 'why, for people')
    .option('--param <name=value>', 'a parameter of the scheduler (may be given again)', gather)
    .option('--wait', 'follow the logs; the exit code is the result')
    .action(async (scheduler: string, flags: Flags) => {
      const client = await clientOf(flags)
      const {builder: builders, branch, revision, reason, param: parameters} = flags
      const submitted = await client.post(
        submittedShape,
        `/schedulers/${encodeURIComponent(scheduler)}/force`,
        {
          ...(builders.length > 0 ? {builders} : {}),
          ...(branch === undefined ? {} : {branch}),
          ...(revision === undefined ? {} : {revision}),
          ...(reason === undefined ? {} : {reason}),
          ...(parameters ? {parameters} : {}),
        },
      )
      if (!flags.wait) {
        if (flags.json) sayJson(submitted)
        else
          for (const {id, builder} of submitted.requests)
            say(`${builder}: request ${id} of buildset ${submitted.buildset}`)
        return
      }
      const result = await followBuildset(client, submitted.buildset, flags.json !== true)
      if (flags.json) sayJson(await client.get(buildsetShape, `/buildsets/${submitted.buildset}`))
      end(result === 'success' || result === 'warnings' || result === 'skipped' ? exits.done : exits.failed)
    })
