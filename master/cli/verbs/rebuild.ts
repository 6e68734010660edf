// `ostler rebuild`: the same again.
import {submittedShape} from '../../http/shapes.ts'
import {exits} from '../exits.ts'
import {followBuildset} from '../follow.ts'
import {say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'
import {findBuild} from './log.ts'

interface Flags extends ClientFlags {
  readonly reason?: string
  readonly wait?: boolean
}

export const rebuild: Verb = (program, end) =>
  clientVerb(program, 'rebuild <build>', 'build the same again')
    .option('--reason <text>', 'why, for people')
    .option('--wait', 'follow the log; the exit code is the result')
    .action(async (text: string, flags: Flags) => {
      const client = await clientOf(flags)
      const build = await findBuild(client, text)
      const submitted = await client.post(
        submittedShape,
        `/builds/${build}/rebuild`,
        flags.reason === undefined ? {} : {reason: flags.reason},
      )
      if (flags.json) sayJson(submitted)
      else
        for (const {id, builder} of submitted.requests)
          say(`${builder}: request ${id} of buildset ${submitted.buildset}`)
      if (!flags.wait) return
      const result = await followBuildset(client, submitted.buildset, flags.json !== true)
      end(result === 'success' || result === 'warnings' || result === 'skipped' ? exits.done : exits.failed)
    })
