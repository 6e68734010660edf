// `ostler requests`: what waits, and why.
import {Option} from 'commander'
import {list, requestShape} from '../../http/shapes.ts'
import {coloured, plain, sayJson, span, table} from '../print.ts'
import {clientOf, clientVerb, count, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly state: string
  readonly limit: number
}

export const requests: Verb = (program) =>
  clientVerb(program, 'requests', 'list build requests and why they wait')
    .addOption(
      new Option('--state <state>', 'in this state')
        .choices(['pending', 'claimed', 'finished'])
        .default('pending'),
    )
    .option('--limit <n>', 'at most so many', count, 50)
    .action(async ({state, limit, ...flags}: Flags) => {
      const client = await clientOf(flags)
      const found = await client.get(list(requestShape), '/requests', {state, limit})
      if (flags.json) return sayJson(found)
      table(
        ['ID', 'BUILDER', 'STATE', 'FOR', 'PRIORITY', 'WAITS BECAUSE'],
        found.items.map((request) => [
          request.id,
          request.builder,
          coloured(request.result ?? request.state),
          request.state === 'pending' ? span(request.submittedAt, null) : '',
          String(request.priority),
          request.waiting.map((wait) => plain(wait.text)).join(', '),
        ]),
      )
    })
