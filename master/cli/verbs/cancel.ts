// `ostler cancel`: ends a build, or takes back a request that waits.
import {z} from 'zod'
import {say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'
import {findBuild} from './log.ts'

interface Flags extends ClientFlags {
  readonly request?: boolean
  readonly reason?: string
}

export const cancel: Verb = (program) =>
  clientVerb(program, 'cancel <build>', 'ask for the end of a build')
    .option('--request', 'it is the id of a request, not of a build')
    .option('--reason <text>', 'why, for people')
    .action(async (text: string, flags: Flags) => {
      const client = await clientOf(flags)
      const body = flags.reason === undefined ? {} : {reason: flags.reason}
      const address = flags.request
        ? `/requests/${encodeURIComponent(text)}/cancel`
        : `/builds/${await findBuild(client, text)}/cancel`
      const answer = await client.post(z.record(z.string(), z.string()), address, body)
      if (flags.json) sayJson(answer)
      else say(`asked for the end of ${flags.request ? 'request' : 'build'} ${text}`)
    })
