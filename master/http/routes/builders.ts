// GET /builders: every configured builder with what it does now.
import {z} from 'zod'
import type {Builder as BuilderConfig} from '../../../config/config.ts'
import {readBuilders} from '../../world/store/views/builders.ts'
import {notFound} from '../refusals.ts'
import {builderShape, list} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {nameParams} from './questions.ts'

export function builderRoutes(api: Api, needs: RouteNeeds): void {
  const answer = async (builders: readonly BuilderConfig[]) => {
    const activities = await readBuilders(
      needs.store,
      builders.map((builder) => builder.name),
    )
    return builders.map((builder, place) => ({
      name: builder.name,
      description: builder.description,
      tags: [...builder.tags],
      needs: needsOf(builder),
      state: activities[place]?.state ?? ('idle' as const),
      pending: activities[place]?.pending ?? 0,
      running: activities[place]?.running ?? 0,
      lastBuild: activities[place]?.lastBuild ?? null,
    }))
  }
  api.get(
    '/builders',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Every builder, in the order of the configuration',
        querystring: z.object({tag: z.string().optional()}),
        response: {200: list(builderShape)},
      },
    },
    async ({query}) => {
      const {builders} = needs.settings().config
      const shown = builders.filter((builder) => query.tag === undefined || builder.tags.includes(query.tag))
      return {items: await answer(shown), next: null}
    },
  )
  api.get(
    '/builders/:name',
    {
      config: {policy: 'read'},
      schema: {summary: 'One builder', params: nameParams, response: {200: builderShape}},
    },
    async ({params}) => {
      const builder = needs.settings().config.builders.find((one) => one.name === params.name)
      const [found] = builder ? await answer([builder]) : []
      if (!found) throw notFound('builder', params.name)
      return found
    },
  )
}

/** What a builder needs of a worker, in words. */
function needsOf(builder: BuilderConfig): string[] {
  const labels = Object.entries(builder.requires).map(([label, value]) => `${label}=${value}`)
  const workers = builder.workers.length > 0 ? [`worker ${builder.workers.join(' or ')}`] : []
  return [...labels, ...workers, builder.container ? `container image ${builder.container.image}` : 'host']
}
