// `ostler reports`: what reporters could not tell yet or gave up, and sending it again.
import {Option} from 'commander'
import {z} from 'zod'
import {list, reportShape} from '../../http/shapes.ts'
import {coloured, plain, say, sayJson, span, table} from '../print.ts'
import {clientOf, clientVerb, count, type ClientFlags, type Verb} from '../verb.ts'

interface Flags extends ClientFlags {
  readonly state?: string
  readonly again?: string
  readonly limit: number
}

export const reports: Verb = (program) =>
  clientVerb(program, 'reports', 'list what reporters told, what waits and what was given up')
    .addOption(new Option('--state <state>', 'only these').choices(['waiting', 'sent', 'givenUp']))
    .option('--again <id>', 'try to send this one now, also when it was given up')
    .option('--limit <n>', 'at most so many', count, 50)
    .action(async ({state, again, limit, ...flags}: Flags) => {
      const client = await clientOf(flags)
      if (again !== undefined) {
        const answer = await client.post(
          z.object({report: z.string()}),
          `/reports/${encodeURIComponent(again)}/again`,
          {},
        )
        return flags.json ? sayJson(answer) : say(`report ${answer.report} is sent again`)
      }
      const found = await client.get(list(reportShape), '/reports', {
        ...(state === undefined ? {} : {state}),
        limit,
      })
      if (flags.json) return sayJson(found)
      table(
        ['ID', 'REPORTER', 'STATE', 'TRIES', 'FOR', 'WHAT', 'ANSWER'],
        found.items.map((report) => [
          report.id,
          report.reporter,
          coloured(report.state),
          String(report.tries),
          span(report.at, report.sentAt ?? report.givenUpAt),
          plain(report.title),
          plain(report.error ?? ''),
        ]),
      )
    })
