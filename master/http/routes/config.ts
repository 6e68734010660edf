// The configuration that is in force, and reading it anew.
import {z} from 'zod'
import {audit} from '../../world/store/audit.ts'
import {actorOf} from '../access.ts'
import {Refusal} from '../refusals.ts'
import type {Api, RouteNeeds} from './index.ts'

export function configRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/config',
    {
      // It names repositories and secrets (not their values): for those who run the master.
      config: {policy: 'operator'},
      schema: {
        summary: 'The configuration in force; secrets only by name',
        response: {200: z.object({version: z.string().nullable(), config: z.json()})},
      },
    },
    async () => ({
      version: needs.settings().version,
      config: JSON.parse(JSON.stringify(needs.settings().config)) as z.infer<ReturnType<typeof z.json>>,
    }),
  )
  api.post(
    '/config/reload',
    {
      config: {policy: 'operator'},
      schema: {
        summary: 'Read the configuration file again; a bad one is refused whole and the old stays in force',
        body: z.object({}).nullish(),
        response: {200: z.object({version: z.string().nullable()})},
      },
    },
    async (request) => {
      const {version, problems} = await needs.reload()
      await audit(needs.store, actorOf(request), 'config.reload', version, {problems: problems.length})
      if (problems.length > 0)
        throw new Refusal(
          422,
          'bad-config',
          `the configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}; the old one stays in force`,
          problems.map(({file, line, column, path, message}) => ({
            path: `${file}:${line}:${column}: ${path}`,
            message,
          })),
        )
      return {version}
    },
  )
}
