// `ostler reload`: has the master read its configuration again.
import {z} from 'zod'
import {say, sayJson} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

export const reload: Verb = (program) =>
  clientVerb(
    program,
    'reload',
    'have the master read its configuration again; a bad one changes nothing',
  ).action(async (flags: ClientFlags) => {
    const client = await clientOf(flags)
    const answer = await client.post(z.object({version: z.string().nullable()}), '/config/reload')
    if (flags.json) sayJson(answer)
    else say(`configuration version ${answer.version ?? 'unknown'} is in force`)
  })
