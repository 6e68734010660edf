// Builds: the list, one, its steps, and the two things people do to a build.
import {z} from 'zod'
import {resultShape} from '../../../worker/protocol/results.ts'
import {audit} from '../../world/store/audit.ts'
import {submitBuildset, type Origin} from '../../world/store/buildsets.ts'
import {
  listBuilds,
  listFinished,
  readBuild,
  readBuildByNumber,
  readSteps,
} from '../../world/store/views/builds.ts'
import {
  cancelBuild,
  readRebuildBasis,
  type CancelAnswer,
  type RebuildBasis,
} from '../../world/store/wishes.ts'
import {actorOf} from '../access.ts'
import {basePath} from '../base.ts'
import {notFound, Refusal} from '../refusals.ts'
import {buildShape, list, originShape, stepShape, submittedShape} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {idParams, nameParams, page, pageQuery, reasonBody} from './questions.ts'

export function buildRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/builds',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'Builds, newest first',
        querystring: pageQuery.extend({
          builder: z.string().optional(),
          branch: z.string().optional(),
          revision: z.string().optional(),
          result: resultShape.optional(),
          state: z.enum(['pending', 'running', 'finished']).optional(),
          worker: z.string().optional(),
        }),
        response: {200: list(buildShape)},
      },
    },
    async ({query}) => page(await listBuilds(needs.store, query, query)),
  )
  api.get(
    '/builds/:id',
    {config: {policy: 'read'}, schema: {summary: 'One build', params: idParams, response: {200: buildShape}}},
    async ({params}) => {
      const build = await readBuild(needs.store, params.id)
      if (!build) throw notFound('build', params.id)
      return build
    },
  )
  api.get(
    '/builders/:name/builds',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'The builds of a builder, newest first',
        description:
          'With `state=finished` the one that finished last comes first, which is the order a promotion goes by; else the one that was made last. ' +
          '`gotRevision` is the commit that was tested. Follow `next` as `cursor` for older ones.',
        params: nameParams,
        querystring: pageQuery.extend({
          state: z.enum(['pending', 'running', 'finished']).optional(),
          branch: z.string().optional(),
          revision: z.string().optional(),
          result: resultShape.optional(),
          origin: originShape.optional(),
        }),
        response: {200: list(buildShape)},
      },
    },
    async ({params, query}) => {
      const filter = {...query, builder: params.name}
      const found = page(
        query.state === 'finished'
          ? await listFinished(needs.store, filter, query)
          : await listBuilds(needs.store, filter, query),
      )
      const isKnown = needs.settings().config.builders.some(({name}) => name === params.name)
      const isEmpty = found.items.length === 0 && query.cursor === null
      if (isEmpty && !isKnown && !(await readBuildByNumber(needs.store, params.name, 1)))
        throw notFound('builder', params.name)
      return found
    },
  )
  api.get(
    '/builders/:name/builds/:number',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'One build, by its builder and number',
        params: z.object({
          name: z.string(),
          number: z.coerce
            .number()
            .int()
            .min(1)
            .max(2 ** 31 - 1),
        }),
        response: {200: buildShape},
      },
    },
    async ({params}) => {
      const build = await readBuildByNumber(needs.store, params.name, params.number)
      if (!build) throw notFound('build', `${params.name} #${params.number}`)
      return build
    },
  )
  api.get(
    '/builds/:id/steps',
    {
      config: {policy: 'read'},
      schema: {
        summary: 'The steps of the effective attempt, in order',
        params: idParams,
        response: {200: list(stepShape)},
      },
    },
    async ({params}) => {
      const items = await readSteps(needs.store, params.id)
      if (items.length === 0 && !(await readBuild(needs.store, params.id))) throw notFound('build', params.id)
      return {items, next: null}
    },
  )
  api.post(
    '/builds/:id/cancel',
    {
      config: {policy: 'developer'},
      schema: {
        summary: 'Ask for the end of a build',
        params: idParams,
        body: reasonBody,
        response: {202: z.object({build: z.string()})},
      },
    },
    async (request, reply) => {
      const {id} = request.params
      const answer = await needs.store.transaction((tx) =>
        cancelBuild(tx, id, actorOf(request), request.body?.reason ?? ''),
      )
      refuseCancelled(answer, 'build', id)
      needs.bells.ring('cancels')
      return await reply.code(202).send({build: id})
    },
  )
  api.post(
    '/builds/:id/rebuild',
    {
      config: {policy: 'developer'},
      schema: {
        summary: 'Build the same again',
        params: idParams,
        body: reasonBody,
        response: {202: submittedShape},
      },
    },
    async (request, reply) => {
      const basis = await readRebuildBasis(needs.store, request.params.id)
      if (!basis) throw notFound('build', request.params.id)
      const builder = needs.settings().config.builders.find((one) => one.name === basis.builder)
      if (!builder)
        throw new Refusal(409, 'no-builder', `the builder ${basis.builder} is not configured any more`)
      const actor = actorOf(request)
      const submitted = await needs.store.transaction(async (tx) => {
        const submitted = await submitBuildset(tx, {
          reason: request.body?.reason || `rebuild of ${basis.builder} #${basis.number}`,
          origin: originOfRebuild(basis),
          scheduler: null,
          submittedBy: actor.who,
          sourceStamps: sameStamps(basis),
          properties: basis.properties,
          changeIds: basis.change_ids,
          builders: [{name: builder.name, priority: builder.priority}],
        })
        await audit(tx, actor, 'build.rebuild', request.params.id, submitted)
        return submitted
      })
      needs.bells.ring('claims')
      needs.bells.ring('events')
      const statusUrl = `${basePath(needs.settings().config.url)}api/v1/buildsets/${submitted.buildset}`
      return await reply
        .code(202)
        .header('location', statusUrl)
        .send({...submitted, requests: [...submitted.requests], statusUrl})
    },
  )
}

/** What was built, exactly: where the branch's tip was asked for, the commit that it was then. */
const sameStamps = ({source_stamps, got_revision}: RebuildBasis) =>
  source_stamps.map((stamp, place) => ({
    ...stamp,
    revision: stamp.revision ?? (place === 0 ? got_revision : null),
  }))

export function refuseCancelled(answer: CancelAnswer, what: string, id: string): void {
  if (answer === 'unknown') throw notFound(what, id)
  if (answer === 'finished')
    throw new Refusal(409, 'finished', `${what} ${id} is finished; there is nothing to cancel`)
}

/** What was asked for outside of the schedulers does not gain their trust by being built again. */
const originOfRebuild = ({origin}: RebuildBasis): Origin => (origin === 'scheduler' ? 'rebuild' : origin)
