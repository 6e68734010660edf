// The masters of this database, and how they are.
import {readMasters} from '../../world/store/masters.ts'
import {list, masterShape} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'

export function masterRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/masters',
    {
      config: {policy: 'operator'},
      schema: {
        summary: 'Every master heard of within a day, the oldest first',
        response: {200: list(masterShape)},
      },
    },
    async () => ({
      items: (await readMasters(needs.store)).map((master) => ({
        id: master.id,
        address: master.address,
        version: master.version,
        state: master.alive ? ('alive' as const) : ('silent' as const),
        workers: master.workers,
        config: master.configHash?.slice(0, 12) ?? null,
        startedAt: master.startedAt.toISOString(),
        lastSeenAt: master.seenAt.toISOString(),
      })),
      next: null,
    }),
  )
}
