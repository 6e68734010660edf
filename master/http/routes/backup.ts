// A backup of everything, streamed as it is made: for administrators, since whoever has it has the tokens' hashes and
// every log.
import {PassThrough} from 'node:stream'
import {audit} from '../../world/store/audit.ts'
import {actorOf} from '../access.ts'
import type {Api, RouteNeeds} from './index.ts'

export function backupRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/backup',
    {
      config: {policy: 'admin'},
      schema: {
        summary:
          'A backup of the database, the logs and the artifacts: a tar archive, whole when it ends with its seal',
        produces: ['application/x-tar'],
      },
      serializerCompiler: () => (value) => JSON.stringify(value),
    },
    async (request, reply) => {
      await audit(needs.store, actorOf(request), 'backup.read', 'ledger')
      const out = new PassThrough()
      needs.backup(out).catch((error: unknown) => {
        needs.say.error({err: error}, 'a backup could not be made to its end')
        out.destroy(error as Error)
      })
      reply.header('content-disposition', 'attachment; filename="ostler-backup.tar"')
      return await reply.header('cache-control', 'no-store').type('application/x-tar').send(out)
    },
  )
}
