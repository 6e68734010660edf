// `ostler workers`: who is there, what they run, and why they get no work.
import {list, workerShape, type Worker} from '../../http/shapes.ts'
import {coloured, plain, sayBytes, sayJson, table} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

export const workers: Verb = (program) =>
  clientVerb(program, 'workers', 'list workers').action(async (flags: ClientFlags) => {
    const client = await clientOf(flags)
    const found = await client.get(list(workerShape), '/workers')
    if (flags.json) return sayJson(found)
    table(
      ['NAME', 'STATE', 'RUNS', 'ENGINE', 'SPOOL', 'LABELS', 'REASON'],
      found.items.map((worker) => [
        worker.name,
        coloured(worker.state),
        `${worker.running}/${worker.maxBuilds}`,
        plain(worker.engine ?? 'host only'),
        spoolText(worker.spool),
        plain(
          Object.entries(worker.labels)
            .map(([label, value]) => `${label}=${value}`)
            .join(' '),
        ),
        plain(worker.reason ?? ''),
      ]),
    )
  })

function spoolText(spool: Worker['spool']): string {
  if (spool === null) return ''
  const cut = spool.cutBytes > 0 ? `, cut ${sayBytes(spool.cutBytes)}` : ''
  return `${sayBytes(spool.bytes)} of ${sayBytes(spool.limitBytes)}${cut}`
}
