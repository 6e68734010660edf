// Schedulers, and asking one of kind `force` for builds.
import {z} from 'zod'
import type {Force, Scheduler as SchedulerConfig, SourceStamp} from '../../../config/config.ts'
import {readParameters} from '../../../config/kinds/schedulers/force.ts'
import {audit} from '../../world/store/audit.ts'
import {mindsRed} from '../../core/testfix.ts'
import {submitBuildset} from '../../world/store/buildsets.ts'
import {readHeld} from '../../world/store/views/held.ts'
import {actorOf} from '../access.ts'
import {basePath} from '../base.ts'
import {badInput, notFound, Refusal, type InputProblem} from '../refusals.ts'
import {list, schedulerShape, submittedShape, type Scheduler} from '../shapes.ts'
import type {Api, RouteNeeds} from './index.ts'
import {branchText, nameParams, revisionText} from './questions.ts'

const forceBody = z
  .strictObject({
    builder: z.string().optional(),
    builders: z.array(z.string()).min(1).max(1000).optional(),
    branch: branchText.optional(),
    revision: revisionText.optional(),
    reason: z.string().max(2000).optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
  })
  .nullish()
type ForceBody = NonNullable<z.infer<typeof forceBody>>

export function schedulerRoutes(api: Api, needs: RouteNeeds): void {
  api.get(
    '/schedulers',
    {config: {policy: 'read'}, schema: {summary: 'Every scheduler', response: {200: list(schedulerShape)}}},
    async () => {
      const rows = await needs.store.query<{name: string; due_at: Date | null}>(
        'SELECT name, due_at FROM schedulers',
      )
      const dueAt = new Map(rows.map((row) => [row.name, row.due_at]))
      const {config} = needs.settings()
      const held = await readHeld(needs.store, config)
      const items = config.schedulers.map((scheduler) => ({
        ...asScheduler(scheduler, dueAt.get(scheduler.name) ?? null),
        held: held.filter((one) => one.scheduler === scheduler.name),
      }))
      return {items, next: null}
    },
  )
  api.post(
    '/schedulers/:name/force',
    {
      config: {policy: 'developer'},
      schema: {
        summary:
          'Ask a force scheduler for builds; an Idempotency-Key makes a repeated request answer the same',
        params: nameParams,
        body: forceBody,
        response: {202: submittedShape},
      },
    },
    async (request, reply) => {
      const scheduler = needs.settings().config.schedulers.find((one) => one.name === request.params.name)
      if (!scheduler) throw notFound('scheduler', request.params.name)
      if (scheduler.kind !== 'force')
        throw new Refusal(
          409,
          'not-force',
          `${scheduler.name} is of kind ${scheduler.kind}; only force can be asked`,
        )
      const actor = actorOf(request)
      const order = readOrder(scheduler, request.body ?? {})
      const {builders} = needs.settings().config
      const idempotency = request.headers['idempotency-key']
      const submitted = await needs.store.transaction(async (tx) => {
        const submitted = await submitBuildset(tx, {
          ...(typeof idempotency === 'string'
            ? {key: `force/${scheduler.name}/${actor.who}/${idempotency.slice(0, 200)}`}
            : {}),
          reason: request.body?.reason || scheduler.reason || `asked for by ${actor.who}`,
          origin: scheduler.trusted ? 'forceTrusted' : 'force',
          scheduler: scheduler.name,
          submittedBy: actor.who,
          sourceStamps: order.sourceStamps,
          properties: {...scheduler.properties, ...order.properties},
          changeIds: [],
          builders: order.builders.map((name) => ({
            name,
            priority: scheduler.priority + (builders.find((builder) => builder.name === name)?.priority ?? 0),
          })),
        })
        await audit(tx, actor, 'scheduler.force', scheduler.name, {
          ...submitted,
          sourceStamps: order.sourceStamps,
          properties: order.properties,
        })
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

/** What is asked for, or every problem with it. */
function readOrder(scheduler: Force, body: ForceBody) {
  const problems: InputProblem[] = []
  const builders = [
    ...new Set(body.builders ?? (body.builder === undefined ? scheduler.builders : [body.builder])),
  ]
  for (const [at, name] of builders.entries())
    if (!scheduler.builders.includes(name))
      problems.push({
        path: body.builders ? `builders.${at}` : 'builder',
        message: `${name} is not a builder of ${scheduler.name}; it has ${scheduler.builders.join(', ')}`,
      })
  if (scheduler.source === null)
    for (const field of ['branch', 'revision'] as const)
      if (body[field] !== undefined)
        problems.push({path: field, message: `${scheduler.name} has no source, so it has no ${field}`})
  const read = readParameters(scheduler, body.parameters ?? {})
  problems.push(...read.problems)
  if (problems.length > 0 || read.properties === null)
    throw badInput(
      `${problems.length} problem${problems.length === 1 ? '' : 's'} with what was asked of ${scheduler.name}`,
      problems,
    )
  const sourceStamps: SourceStamp[] =
    scheduler.source === null
      ? []
      : [
          {
            repository: scheduler.source,
            branch: body.branch ?? scheduler.branch,
            revision: body.revision?.toLowerCase() ?? null,
          },
        ]
  return {builders, sourceStamps, properties: read.properties}
}

const asScheduler = (scheduler: SchedulerConfig, dueAt: Date | null): Omit<Scheduler, 'held'> => ({
  name: scheduler.name,
  kind: scheduler.kind,
  builders: [...scheduler.builders],
  text: inWords(scheduler),
  dueAt: dueAt?.toISOString() ?? null,
  label: scheduler.kind === 'force' ? scheduler.label : null,
  branch: scheduler.branch,
  parameters:
    scheduler.kind === 'force'
      ? scheduler.parameters.map((parameter) => ({...parameter, choices: [...parameter.choices]}))
      : [],
})

function inWords(scheduler: SchedulerConfig): string {
  switch (scheduler.kind) {
    case 'force':
      return 'when someone asks'
    case 'nightly':
      return `at ${scheduler.cron} (${scheduler.timezone})${scheduler.onlyIfChanged ? ', only if something changed' : ''}`
    case 'singleBranch': {
      const quiet =
        scheduler.treeStableTimerMs === null
          ? 'on every change'
          : `${scheduler.treeStableTimerMs / 1000} s after the last change`
      const red = mindsRed(scheduler)
        ? `; while that is red, only once one says ${scheduler.testfixMarker}`
        : ''
      return `${quiet} of ${scheduler.branch} in ${scheduler.source}${red}`
    }
  }
}
