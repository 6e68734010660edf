// Changes: what happened to the code, the sources that tell of it, and telling of it by hand.
import {z} from 'zod'
import {audit} from '../../world/store/audit.ts'
import {recordChanges} from '../../world/store/changes.ts'
import {listChanges, readChange, readSources} from '../../world/store/views/changes.ts'
import {actorOf} from '../access.ts'
import {badInput, notFound} from '../refusals.ts'
import {changeShape, list, sourceShape} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {branchText, idParams, page, pageQuery, revisionText} from './questions.ts'

const filesMax = 1000

const newChange = z.strictObject({
  source: z.string().min(1).max(300),
  branch: branchText,
  revision: revisionText,
  repository: z.string().max(2000).optional(),
  parents: z.array(revisionText).max(100).default([]),
  author: z.string().max(1000).default(''),
  message: z.string().default(''),
  files: z.array(z.string().max(5000)).max(100_000).default([]),
  link: z
    .url({protocol: /^https?$/})
    .nullable()
    .default(null),
  committedAt: z.iso.datetime({offset: true}).nullable().default(null),
})

export function changeRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/changes',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Changes, newest first; long messages are cut',
        querystring: pageQuery.extend({
          source: z.string().optional(),
          branch: z.string().optional(),
          build: idParams.shape.id.optional(),
        }),
        response: {200: list(changeShape)},
      },
    },
    async ({query}) => page(await listChanges(needs.store, query, query)),
  )
  api.get(
    '/changes/:id',
    {
      config: {policy: 'read'},
      schema: {summary: 'One change, whole', params: idParams, response: {200: changeShape}},
    },
    async ({params}) => {
      const change = await readChange(needs.store, params.id)
      if (!change) throw notFound('change', params.id)
      return change
    },
  )
  api.post(
    '/changes',
    {
      config: {policy: 'developer'},
      schema: {
        summary: 'Record a change; one that is known already is not recorded twice',
        body: newChange,
        response: {202: z.object({changes: z.array(z.string())})},
      },
    },
    async (request, reply) => {
      const {body} = request
      const source = needs.settings().config.changeSources.find((one) => one.name === body.source)
      if (!source)
        throw badInput('a change is of a source', [
          {path: 'source', message: `there is no source ${body.source}`},
        ])
      const actor = actorOf(request)
      const recorded = await needs.store.transaction(async (tx) => {
        const recorded = await recordChanges(tx, [
          {
            ...body,
            repository: body.repository ?? (source.kind === 'git' ? source.url : source.name),
            revision: body.revision.toLowerCase(),
            files: body.files.slice(0, filesMax),
            filesMore: Math.max(0, body.files.length - filesMax),
            committedAt: body.committedAt === null ? null : new Date(body.committedAt),
          },
        ])
        await audit(tx, actor, 'change.add', body.source, {branch: body.branch, revision: body.revision})
        return recorded
      })
      needs.bells.ring('schedules')
      needs.bells.ring('events')
      return await reply.code(202).send({changes: recorded.map((change) => change.id)})
    },
  )
  api.get(
    '/sources',
    {
      config: {policy: 'read'},
      schema: {summary: 'Change sources and how their polling goes', response: {200: list(sourceShape)}},
    },
    async () => {
      const standings = await readSources(needs.store)
      const items = needs.settings().config.changeSources.map(({name, kind}) => {
        const found = standings.find((standing) => standing.source === name)
        return {
          name,
          kind,
          polledAt: found?.polledAt ?? null,
          nextPollAt: found?.nextPollAt ?? null,
          failures: found?.failures ?? 0,
          error: found?.error ?? null,
          branches: found?.branches ?? {},
        }
      })
      return {items, next: null}
    },
  )
}
