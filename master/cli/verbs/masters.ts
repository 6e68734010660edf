// `ostler masters`: which masters share the database, and which of them are heard of.
import {list, masterShape} from '../../http/shapes.ts'
import {disagree, disagreement} from '../../world/store/masters.ts'
import {coloured, plain, sayError, sayJson, table} from '../print.ts'
import {clientOf, clientVerb, type ClientFlags, type Verb} from '../verb.ts'

export const masters: Verb = (program) =>
  clientVerb(program, 'masters', 'list the masters that share the database').action(
    async (flags: ClientFlags) => {
      const client = await clientOf(flags)
      const found = await client.get(list(masterShape), '/masters')
      if (flags.json) return sayJson(found)
      table(
        ['MASTER', 'STATE', 'WORKERS', 'CONFIG', 'ADDRESS', 'VERSION', 'SINCE', 'LAST SEEN'],
        found.items.map((master) => [
          plain(master.id),
          coloured(master.state),
          String(master.workers),
          plain(master.config ?? ''),
          plain(master.address ?? ''),
          plain(master.version ?? ''),
          master.startedAt,
          master.lastSeenAt,
        ]),
      )
      const alive = found.items.filter(({state}) => state === 'alive')
      if (disagree(alive.map(({config}) => ({configHash: config})))) sayError(`warning: ${disagreement}`)
    },
  )
