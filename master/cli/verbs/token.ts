// `ostler token`: makes, lists and revokes tokens.
import {Option} from 'commander'
import {z} from 'zod'
import {list, tokenShape} from '../../http/shapes.ts'
import {plain, say, sayError, sayJson, table} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

const madeShape = z.object({id: z.string(), token: z.string()})

export const token: Verb = (program) => {
  const tokens = program.command('token').description('make, list and revoke tokens')
  const make = async (body: {kind: string; name: string; role?: string}, flags: ClientFlags) => {
    const made = await (await clientOf(flags)).post(madeShape, '/tokens', body)
    // The token alone on standard output, so that it can go straight into a file.
    if (flags.json) return sayJson(made)
    sayError(`token ${made.id} of ${body.kind} ${body.name}; it is shown only now`)
    say(made.token)
  }
  clientVerb(tokens, 'worker <name>', 'make a token for a worker').action(
    (name: string, flags: ClientFlags) => make({kind: 'worker', name}, flags),
  )
  clientVerb(tokens, 'user <name>', 'make a token for a person or program')
    .addOption(
      new Option('--role <role>', 'what it may do')
        .choices(['viewer', 'developer', 'operator', 'admin'])
        .makeOptionMandatory(),
    )
    .action((name: string, {role, ...flags}: ClientFlags & {role: string}) =>
      make({kind: 'user', name, role}, flags),
    )
  clientVerb(tokens, 'list', 'list tokens, never their secrets').action(async (flags: ClientFlags) => {
    const found = await (await clientOf(flags)).get(list(tokenShape), '/tokens', {limit: 500})
    if (flags.json) return sayJson(found)
    table(
      ['ID', 'KIND', 'NAME', 'ROLE', 'HINT', 'MADE', 'LAST USED', 'REVOKED'],
      found.items.map((one) => [
        one.id,
        one.kind,
        plain(one.name),
        one.role ?? '',
        one.hint,
        one.createdAt,
        one.usedAt ?? 'never',
        one.revokedAt ?? '',
      ]),
    )
  })
  clientVerb(tokens, 'revoke <id>', 'revoke a token and end its sessions').action(
    async (id: string, flags: ClientFlags) => {
      await (await clientOf(flags)).delete(`/tokens/${encodeURIComponent(id)}`)
      if (flags.json) sayJson({revoked: id})
      else say(`token ${id} is revoked`)
    },
  )
  return tokens
}
