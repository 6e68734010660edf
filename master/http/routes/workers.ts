// Workers, and what operators tell them: rest, finish what you have, go on. Also the same for builders.
import {z} from 'zod'
import {readWorkers} from '../../world/store/views/workers.ts'
import {knowWorker, wishBuilder, wishWorker} from '../../world/store/wishes.ts'
import {actorOf} from '../access.ts'
import {notFound} from '../refusals.ts'
import {list, workerShape} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {nameParams, restBody, restOf} from './questions.ts'

const summaries = {
  pause: 'Give a worker no new builds',
  drain: 'Let a worker finish its builds, and give it no more',
  resume: 'Give a paused or draining worker builds again',
}

export function workerRoutes(api: Api, needs: RouteNeeds): void {
  const workers = (only?: string) =>
    readWorkers(
      needs.store,
      needs.settings().config.workers.map((worker) => worker.name),
      only,
    )
  api.get(
    '/workers',
    {
      config: {policy: 'read'},
      schema: {summary: 'Every worker, by name', response: {200: list(workerShape)}},
    },
    async () => ({items: await workers(), next: null}),
  )
  api.get(
    '/workers/:name',
    {
      config: {policy: 'read'},
      schema: {summary: 'One worker', params: nameParams, response: {200: workerShape}},
    },
    async ({params}) => {
      const [worker] = await workers(params.name)
      if (!worker) throw notFound('worker', params.name)
      return worker
    },
  )
  for (const wish of ['pause', 'drain', 'resume'] as const)
    api.post(
      `/workers/:name/${wish}`,
      {
        config: {policy: 'operator'},
        schema: {
          summary: summaries[wish],
          params: nameParams,
          body: restBody,
          response: {202: z.object({worker: z.string()})},
        },
      },
      async (request, reply) => {
        const {name} = request.params
        const configured = needs.settings().config.workers.some((worker) => worker.name === name)
        const known = await needs.store.transaction(async (tx) => {
          if (configured) await knowWorker(tx, name)
          return await wishWorker(tx, name, wish, actorOf(request), restOf(request.body))
        })
        if (!known) throw notFound('worker', name)
        needs.bells.ring('claims')
        needs.bells.ring('events')
        return await reply.code(202).send({worker: name})
      },
    )
  for (const wish of ['pause', 'resume'] as const)
    api.post(
      `/builders/:name/${wish}`,
      {
        config: {policy: 'operator'},
        schema: {
          summary:
            wish === 'pause'
              ? "Leave a builder's requests waiting"
              : "Build a paused builder's requests again",
          params: nameParams,
          body: restBody,
          response: {202: z.object({builder: z.string()})},
        },
      },
      async (request, reply) => {
        const {name} = request.params
        if (!needs.settings().config.builders.some((builder) => builder.name === name))
          throw notFound('builder', name)
        await needs.store.transaction((tx) =>
          wishBuilder(tx, name, wish, actorOf(request), restOf(request.body)),
        )
        needs.bells.ring('claims')
        return await reply.code(202).send({builder: name})
      },
    )
}
